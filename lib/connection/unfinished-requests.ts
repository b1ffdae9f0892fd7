import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/**
 * The connections of the server that are no sockets of ours, or not yet. A server that closes waits for the rest of a request
 * that has begun, and Node has no time-out for it any more: half a handshake would hold up the close for ever.
 */
export class UnfinishedRequests {
  /** By connection the request that is being answered; null: there is none, or not all of its head. */
  readonly #requests = new Map<Duplex, IncomingMessage | null>()
  readonly #path: string
  #isOver = false

  /** @param path below which requests are ours to cut; what the app answers elsewhere may take its time */
  constructor (server: Server, path: string) {
    const requests = this.#requests
    this.#path = path
    // One listener for all: a connection costs an entry and nothing else.
    const forget = function (this: Duplex) { requests.delete(this) }
    const onConnection = (socket: Duplex) => {
      if (this.#isOver) socket.destroy()
      else requests.set(socket.once('close', forget), null)
    }
    const onRequest = (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request
      requests.set(socket, request)
      response.once('close', () => {
        if (!requests.has(socket)) return
        requests.set(socket, null)
        // A client that keeps its connection would keep it for as long as Node lets it.
        if (this.#isOver) socket.end(() => socket.destroy())
      })
    }
    // In the place of the request's own: an upgrade that was injected has no socket there.
    const onUpgrade = (_request: IncomingMessage, socket: Duplex) => {
      requests.delete(socket)
      socket.removeListener('close', forget)
    }
    // One whose TLS handshake is not finished is ended by Node, which has a time-out for that.
    const connected = 'setSecureContext' in server ? 'secureConnection' : 'connection'
    server.on(connected, onConnection).on('request', onRequest).on('upgrade', onUpgrade)
    // Not before it is closed: what connects until then must not hold it up either.
    server.once('close', () => server.removeListener(connected, onConnection).removeListener('request', onRequest).removeListener('upgrade', onUpgrade))
  }

  /** Cuts what has not said all of a request, now and from now on; an answer that is under way is the last of its connection. */
  destroy (): void {
    this.#isOver = true
    for (const [socket, request] of this.#requests) {
      if (request === null || (!request.complete && request.url!.startsWith(this.#path))) socket.destroy()
    }
  }
}
