/*
 * The client for pages without modules, as one classic script: `GET /ws/client.js`. It sets the globals `FastifyWs`, `WebSocketRegistry` and
 * `safeRegisterHandler`, and takes over the handlers that a page registered before it was loaded.
 */
import type { WsClient } from '../client.js'
import { createClient, WsError, type ClientOptions } from '../index.js'
import { HandlerRegistry, type Handler } from './registry.js'

interface Page {
  /** Handlers registered before this script was loaded: arguments of `register()`. */
  wsHandlers?: { push: (...entries: [type: string, handler: Handler][]) => unknown } | [type: string, handler: Handler][]
  [name: string]: unknown
}

const registry = new HandlerRegistry()
const { register, unregister } = registry

const page = globalThis as unknown as Page
const early = page.wsHandlers
// A page may have kept the function that pushes into the array: from now on it registers.
page.wsHandlers = { push: (...entries) => { for (const entry of entries) take(entry) } }
if (Array.isArray(early)) for (const entry of early) take(entry)

page.WebSocketRegistry = { register, unregister }
page.safeRegisterHandler = register
page.FastifyWs = {
  WsError,
  /** Makes a client, whose messages reach the registered handlers. */
  createClient: (options: ClientOptions): WsClient => {
    const client = createClient(options)
    registry.attach(client)
    return client
  }
}

/** One bad entry must not keep the others from being registered. */
function take (entry: [type: string, handler: Handler]): void {
  try {
    register(...entry)
  } catch (error) {
    console.error('fastify-ws-manager: wsHandlers', error)
  }
}
