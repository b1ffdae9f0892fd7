import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { constants, type Http2ServerRequest, type Http2ServerResponse, type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

/** Time between two checks of what is left when the server closes. Twice this is less than the shutdown's last second. */
const LOOK_MS = 400
/** Time from accepting a connection within which its first request must begin to arrive, when the server closes. */
const FIRST_REQUEST_MS = 1_000

type Answer = ServerResponse | Http2ServerResponse

/**
 * The connections of the app's servers, except those that were upgraded. A closing server waits for the rest of every request that has
 * begun, for every answer to be read, and for every HTTP/2 session; Node has no time-out for any of these while it closes.
 */
export class UnfinishedRequests {
  readonly #maxArrivalMs: number
  /** Connections of HTTP/1.1, with the time at which each was accepted. */
  readonly #connections = new Map<Socket, number>()
  /** HTTP/2: an entry for each session, connection and open stream, and none for a finished request. */
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #sessionSockets = new Set<Duplex>()
  readonly #streams = new Map<ServerHttp2Stream, Http2ServerResponse>()
  /** TCP connections in their TLS handshake, by the peer's address and port. */
  readonly #handshakes = new Map<string, { socket: Socket, acceptedAt: number }>()
  /** Bytes that had been read from a connection at the check before. */
  readonly #bytesRead = new WeakMap<Socket, number>()
  /** Answers that were unread at the check before. */
  readonly #unread = new WeakSet<Answer>()
  /** Servers that are not closed. */
  readonly #servers = new Set<Server>()
  /** One function for all, so that a connection costs an entry and nothing else. */
  readonly #forget: (this: Socket) => void
  #timer: NodeJS.Timeout | undefined
  /** When `destroy` was called. */
  #overAt: number | null = null

  /** @param maxArrivalMs how long a request may go on arriving once the server closes */
  constructor (server: Server, maxArrivalMs: number) {
    this.#maxArrivalMs = maxArrivalMs
    const connections = this.#connections
    this.#forget = function () { connections.delete(this) }
    this.watch(server)
  }

  /** Tracks the connections of another server, too. */
  watch (server: Server): void {
    const isTls = 'setSecureContext' in server
    const isHttp2 = 'updateSettings' in server
    const connected = isTls ? 'secureConnection' : 'connection'
    const onHandshake = (socket: Socket) => {
      const peer = peerOf(socket)
      this.#handshakes.set(peer, { socket, acceptedAt: performance.now() })
      socket.once('close', () => { if (this.#handshakes.get(peer)?.socket === socket) this.#handshakes.delete(peer) })
      this.#lookAgain()
    }
    const onConnection = (socket: Socket) => {
      if (isTls) this.#handshakes.delete(peerOf(socket))
      // Without ALPN a TLS server falls back to HTTP/1.1; one without TLS that speaks HTTP/2 speaks nothing else.
      const { alpnProtocol } = socket as TLSSocket
      if (isHttp2 && alpnProtocol !== false && alpnProtocol !== 'http/1.1') this.#trackSessionSocket(socket)
      else this.#connections.set(socket.on('close', this.#forget), performance.now())
      this.#lookAgain()
    }
    const onSession = (session: ServerHttp2Session) => {
      this.#sessions.add(session)
      session.once('close', () => this.#sessions.delete(session))
      if (this.#overAt !== null) session.destroy()
    }
    const onRequest = (request: IncomingMessage | Http2ServerRequest, response: Answer) => {
      if ('stream' in request) this.#trackStream(request.stream, response as Http2ServerResponse)
    }

    const listeners: Array<[event: string, listener: (...args: never[]) => void]> = [
      [connected, onConnection], ['session', onSession], ['request', onRequest]
    ]
    if (isTls) listeners.push(['connection', onHandshake])
    for (const [event, listener] of listeners) server.on(event, listener as () => void)
    // Until it is closed: a connection that is made meanwhile must not hold it up either.
    this.#servers.add(server)
    server.once('close', () => {
      for (const [event, listener] of listeners) server.removeListener(event, listener as () => void)
      this.#servers.delete(server)
      if (this.#servers.size === 0) this.#stopLooking()
    })
  }

  /** Stops tracking a connection that asked for an upgrade; its taker is responsible for it. */
  upgraded (socket: Duplex): void {
    this.#connections.delete(socket as Socket)
    socket.removeListener('close', this.#forget)
  }

  /** Number of entries kept. */
  get size (): number {
    return this.#connections.size + this.#sessions.size + this.#sessionSockets.size + this.#streams.size + this.#handshakes.size
  }

  /**
   * Cuts what waits for a client, now and from now on: connections without a request, requests of which nothing more arrives,
   * and, a moment later, answers that nobody reads. What the app is answering is waited for, and is the last of its
   * connection; so is the first request of a connection that was just accepted.
   */
  destroy (): void {
    for (const socket of this.#sessionSockets) destroyWhenFinished(socket)
    for (const socket of this.#connections.keys()) {
      const answer = answerOn(socket)
      if (answer != null) endBehind(answer)
    }
    this.#overAt = performance.now()
    this.#look()
  }

  #look (): void {
    this.#stopLooking()
    const now = performance.now()
    const isNew = (acceptedAt: number) => now - acceptedAt < FIRST_REQUEST_MS
    const isArriving = (socket: Socket) => this.#hasRead(socket) && now - this.#overAt! < this.#maxArrivalMs
    for (const { socket, acceptedAt } of this.#handshakes.values()) if (!isNew(acceptedAt)) socket.destroy()
    for (const [socket, acceptedAt] of this.#connections) {
      const answer = answerOn(socket)
      const isArrivingHere = isArriving(socket)
      const isKept = answer === undefined
        ? isNew(acceptedAt) || isArrivingHere
        : answer !== null && this.#isAwaited(answer, answer, answer.req.complete || isArrivingHere)
      if (!isKept) socket.destroy()
    }
    const arriving = new Set([...this.#sessions].filter((session) => !session.destroyed && isArriving(session.socket as Socket)))
    const busy = new Set<Http2Session | undefined>()
    for (const [stream, answer] of this.#streams) {
      if (this.#isAwaited(answer, stream, isComplete(stream) || arriving.has(stream.session as ServerHttp2Session))) busy.add(stream.session)
      else stream.destroy()
    }
    // A session that was destroyed behind its close() waits for its client to read.
    if ([...this.#sessions].every(({ destroyed }) => destroyed)) for (const socket of this.#sessionSockets) socket.destroy()
    for (const session of this.#sessions) {
      if (busy.has(session)) session.close()
      else session.destroy()
    }
    this.#lookAgain()
  }

  /** Checks what is left once more a little later, when the server closes. */
  #lookAgain (): void {
    if (this.#overAt !== null && this.size > 0) this.#timer ??= setTimeout(() => this.#look(), LOOK_MS)
  }

  #stopLooking (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Tells whether anything has arrived since the check before, or at the first check, at all. */
  #hasRead (socket: Socket): boolean {
    const before = this.#bytesRead.get(socket) ?? 0
    this.#bytesRead.set(socket, socket.bytesRead)
    return socket.bytesRead > before
  }

  /** Whether to wait for an answer: while the app works on it, and then for one more check, so that the client can read it. */
  #isAwaited (answer: Answer, { writableNeedDrain }: { writableNeedDrain: boolean }, isComplete: boolean): boolean {
    // Fastify ends a long answer over HTTP/2 only when nearly all of it is read.
    if (!answer.writableEnded && !writableNeedDrain) {
      this.#unread.delete(answer)
      return isComplete || answer.headersSent
    }
    if (this.#unread.has(answer)) return false
    this.#unread.add(answer)
    return true
  }

  #trackSessionSocket (socket: Duplex): void {
    this.#sessionSockets.add(socket)
    socket.once('close', () => this.#sessionSockets.delete(socket))
    if (this.#overAt !== null) destroyWhenFinished(socket)
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

/** The current answer on an HTTP/1.1 connection; pipelined requests wait behind it. */
function answerOn (socket: Duplex): ServerResponse | null | undefined {
  return (socket as Duplex & { _httpMessage?: ServerResponse | null })._httpMessage
}

/** Ends the connection after the answer: a keep-alive client would hold it for as long as Node allows. */
function endBehind (answer: ServerResponse): void {
  const { socket } = answer.req
  answer.once('close', () => { socket.end(() => socket.destroy()) })
}

/** True once the client has sent the whole request, read or not. */
function isComplete (stream: ServerHttp2Stream): boolean {
  return stream.endAfterHeaders || stream.state.state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE
}

/** Destroys a session's socket once it is written: otherwise it waits until the client ends the connection. */
function destroyWhenFinished (socket: Duplex): void {
  socket.once('finish', () => socket.destroy())
}
