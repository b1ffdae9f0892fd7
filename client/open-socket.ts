import type { OpenSocket } from './socket.js'

/** Returns the WebSocket of the browser or of Node.js 22 and newer; on Node.js 20 that of the package ws. */
export async function openSocket (): Promise<OpenSocket> {
  const { WebSocket: Native } = globalThis as { WebSocket?: new (url: string, protocols: string[]) => ReturnType<OpenSocket> }
  if (Native !== undefined) return (url, protocols) => new Native(url, protocols)
  // Hidden from bundlers: a browser never comes here.
  const name = 'ws'
  const { WebSocket } = await import(/* @vite-ignore */ /* webpackIgnore: true */ name) as { WebSocket: new (url: string, protocols: string[]) => ReturnType<OpenSocket> }
  return (url, protocols) => new WebSocket(url, protocols)
}
