import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocketServer } from 'ws'

const CLOSING = 'HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 2\r\n\r\n'

/**
 * The sockets that asked for an upgrade and have not got it yet. Fastify does not know them: one whose upgrade hangs
 * in a hook would hold up its close for ever.
 */
export class Upgrades {
  readonly #pending = new Map<IncomingMessage, { socket: Duplex, forget: () => void }>()
  readonly #sockets = new WeakMap<IncomingMessage, Duplex>()
  readonly #stop: () => void
  #isRefusing = false

  constructor (server: Server, webSocketServer: WebSocketServer) {
    const onUpgrade = (request: IncomingMessage, socket: Duplex) => {
      if (this.#isRefusing) {
        // @fastify/websocket does not listen any more when the server closes: nobody else would answer.
        socket.on('error', () => {})
        socket.end(CLOSING, () => socket.destroy())
        return
      }
      // Node has taken its own listener away, ws has none on it yet, and a reset in between would end the process.
      const destroy = () => { socket.destroy() }
      const forget = () => {
        this.#pending.delete(request)
        socket.removeListener('error', destroy)
        // An open socket must not keep its request alive.
        socket.removeListener('close', forget)
      }
      this.#pending.set(request, { socket, forget })
      this.#sockets.set(request, socket)
      socket.on('close', forget)
      socket.on('error', destroy)
    }
    const onConnection = (_socket: unknown, request: IncomingMessage) => this.#pending.get(request)?.forget()
    server.prependListener('upgrade', onUpgrade)
    webSocketServer.on('connection', onConnection)
    this.#stop = () => {
      server.removeListener('upgrade', onUpgrade)
      webSocketServer.removeListener('connection', onConnection)
    }
  }

  /** The socket that a request came by, also where it is no network's: @fastify/websocket's injectWS has requests without. */
  socketOf (request: IncomingMessage): Duplex {
    return this.#sockets.get(request) ?? request.socket
  }

  /** From now on whatever comes is sent away. */
  refuse (): void {
    this.#isRefusing = true
  }

  /** Cuts what is still pending. */
  destroy (): void {
    for (const { socket } of this.#pending.values()) socket.destroy()
  }

  /** Stops watching the server. */
  stop (): void {
    this.#stop()
  }
}
