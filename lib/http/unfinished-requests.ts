import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse, Http2Session, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

/**
 * The server's connections, except those that were upgraded. A closing server waits for the rest of every request that has
 * begun, and for every HTTP/2 session; Node has no time-out for either while it closes.
 */
export class UnfinishedRequests {
  /** Connections of HTTP/1.1 with the request being answered; null: none, or only a part of its head. */
  readonly #connections = new Map<Duplex, IncomingMessage | null>()
  /** HTTP/2: an entry for each session, connection and open stream, and none for a finished request. */
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #sessionSockets = new Set<Duplex>()
  readonly #streams = new Map<ServerHttp2Stream, Http2ServerResponse>()
  /** TCP connections in their TLS handshake, by the peer's address and port. */
  readonly #handshakes = new Map<string, Socket>()
  readonly #path: string
  #isOver = false

  /** @param path below which requests may be cut; what the app answers elsewhere may take its time */
  constructor (server: Server, path: string) {
    this.#path = path
    const isTls = 'setSecureContext' in server
    const isHttp2 = 'updateSettings' in server
    const connected = isTls ? 'secureConnection' : 'connection'
    // One function for all, so that a connection costs an entry and nothing else.
    const connections = this.#connections
    const forget = function (this: Duplex) { connections.delete(this) }

    const onHandshake = (socket: Socket) => {
      if (this.#isOver) {
        socket.destroy()
        return
      }
      const peer = peerOf(socket)
      this.#handshakes.set(peer, socket)
      socket.once('close', () => { if (this.#handshakes.get(peer) === socket) this.#handshakes.delete(peer) })
    }
    const onConnection = (socket: Socket) => {
      if (isTls) this.#handshakes.delete(peerOf(socket))
      // Without ALPN a TLS server falls back to HTTP/1.1; one without TLS that speaks HTTP/2 speaks nothing else.
      const { alpnProtocol } = socket as TLSSocket
      if (isHttp2 && alpnProtocol !== false && alpnProtocol !== 'http/1.1') this.#trackSessionSocket(socket)
      else if (this.#isOver) socket.destroy()
      else connections.set(socket.once('close', forget), null)
    }
    const onSession = (session: ServerHttp2Session) => {
      this.#sessions.add(session)
      session.once('close', () => this.#sessions.delete(session))
      if (this.#isOver) session.destroy()
    }
    const onRequest = (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) => {
      if ('stream' in request) this.#trackStream(request.stream, response as Http2ServerResponse)
      else this.#trackRequest(request, response as ServerResponse)
    }

    const listeners: Array<[event: string, listener: (...args: never[]) => void]> = [
      [connected, onConnection], ['session', onSession], ['request', onRequest]
    ]
    if (isTls) listeners.push(['connection', onHandshake])
    for (const [event, listener] of listeners) server.on(event, listener as () => void)
    // Until it is closed: a connection that is made meanwhile must not hold it up either.
    server.once('close', () => { for (const [event, listener] of listeners) server.removeListener(event, listener as () => void) })
    this.upgraded = (socket) => {
      connections.delete(socket)
      socket.removeListener('close', forget)
    }
  }

  /** Stops tracking a connection that asked for an upgrade; its taker is responsible for it. */
  readonly upgraded: (socket: Duplex) => void

  /** How much is kept. */
  get size (): number {
    return this.#connections.size + this.#sessions.size + this.#sessionSockets.size + this.#streams.size + this.#handshakes.size
  }

  /** Cuts connections whose request is incomplete, now and from now on; a response in progress is the last on its connection. */
  destroy (): void {
    this.#isOver = true
    for (const socket of this.#handshakes.values()) socket.destroy()
    for (const [socket, request] of this.#connections) {
      if (request === null || (!request.complete && this.#isOurs(request.url!))) socket.destroy()
    }
    const busy = new Set<Http2Session | undefined>()
    for (const [stream, response] of this.#streams) {
      if (isIncomplete(stream) && (response.writableEnded || this.#isOurs(response.req.url))) stream.destroy()
      else busy.add(stream.session)
    }
    for (const session of this.#sessions) {
      if (busy.has(session)) session.close()
      else session.destroy()
    }
    for (const socket of this.#sessionSockets) destroyWhenFinished(socket)
  }

  #isOurs (url: string): boolean {
    return url.startsWith(this.#path)
  }

  #trackRequest (request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    // A request that was dispatched by hand: no `close` event would remove its entry.
    if (!this.#connections.has(socket)) return
    this.#connections.set(socket, request)
    response.once('close', () => {
      if (!this.#connections.has(socket)) return
      this.#connections.set(socket, null)
      // An idle keep-alive connection would otherwise stay open until Node's own time-out.
      if (this.#isOver) socket.end(() => socket.destroy())
    })
  }

  #trackSessionSocket (socket: Duplex): void {
    this.#sessionSockets.add(socket)
    socket.once('close', () => this.#sessionSockets.delete(socket))
    if (this.#isOver) destroyWhenFinished(socket)
  }

  #trackStream (stream: ServerHttp2Stream, response: Http2ServerResponse): void {
    this.#streams.set(stream, response)
    stream.once('close', () => this.#streams.delete(stream))
  }
}

/** Identifies a connection: a TLS socket and its TCP socket share this value. */
function peerOf ({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/** Whether the client has not sent all of the request's body. */
function isIncomplete (stream: ServerHttp2Stream): boolean {
  return !stream.endAfterHeaders && !stream.readableEnded
}

/** A session that has ended waits for the client to end the connection, too. */
function destroyWhenFinished (socket: Duplex): void {
  socket.once('finish', () => socket.destroy())
}
