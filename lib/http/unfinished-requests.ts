import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { constants, type Http2ServerRequest, type Http2ServerResponse, type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

/** Time between two checks of what is left when the server closes. Twice this is less than the shutdown's last second. */
const LOOK_MS = 400

type Answer = ServerResponse | Http2ServerResponse

/**
 * The connections of the app's servers, except those that were upgraded. A closing server waits for the rest of every request that has
 * begun, for every answer to be read, and for every HTTP/2 session; Node has no time-out for any of these while it closes.
 */
export class UnfinishedRequests {
  /** Connections of HTTP/1.1. */
  readonly #connections = new Set<Duplex>()
  /** HTTP/2: an entry for each session, connection and open stream, and none for a finished request. */
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #sessionSockets = new Set<Duplex>()
  readonly #streams = new Map<ServerHttp2Stream, Http2ServerResponse>()
  /** TCP connections in their TLS handshake, by the peer's address and port. */
  readonly #handshakes = new Map<string, Socket>()
  /** Answers that were unread at the check before. */
  readonly #unread = new WeakSet<Answer>()
  /** Servers that are not closed. */
  readonly #servers = new Set<Server>()
  /** One function for all, so that a connection costs an entry and nothing else. */
  readonly #forget: (this: Duplex) => void
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor (server: Server) {
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
      else this.#connections.add(socket.on('close', this.#forget))
    }
    const onSession = (session: ServerHttp2Session) => {
      this.#sessions.add(session)
      session.once('close', () => this.#sessions.delete(session))
      if (this.#isOver) session.destroy()
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
      if (this.#servers.size === 0) clearTimeout(this.#timer)
    })
  }

  /** Stops tracking a connection that asked for an upgrade; its taker is responsible for it. */
  upgraded (socket: Duplex): void {
    this.#connections.delete(socket)
    socket.removeListener('close', this.#forget)
  }

  /** Number of entries kept. */
  get size (): number {
    return this.#connections.size + this.#sessions.size + this.#sessionSockets.size + this.#streams.size + this.#handshakes.size
  }

  /**
   * Cuts what waits for a client, now and from now on: connections without a request, requests without the rest of their
   * body, and, a moment later, answers that nobody reads. What the app is answering is waited for, and is the last of its
   * connection.
   */
  destroy (): void {
    for (const socket of this.#handshakes.values()) socket.destroy()
    for (const socket of this.#sessionSockets) destroyWhenFinished(socket)
    for (const socket of this.#connections) {
      const answer = answerOn(socket)
      if (answer != null) endBehind(answer)
    }
    this.#isOver = true
    this.#look()
  }

  #look (): void {
    for (const socket of this.#connections) {
      const answer = answerOn(socket)
      if (answer == null || !this.#isAwaited(answer, answer, answer.req.complete)) socket.destroy()
    }
    const busy = new Set<Http2Session | undefined>()
    for (const [stream, answer] of this.#streams) {
      if (this.#isAwaited(answer, stream, isComplete(stream))) busy.add(stream.session)
      else stream.destroy()
    }
    // A session that was destroyed behind its close() waits for its client to read.
    if ([...this.#sessions].every(({ destroyed }) => destroyed)) for (const socket of this.#sessionSockets) socket.destroy()
    for (const session of this.#sessions) {
      if (busy.has(session)) session.close()
      else session.destroy()
    }
    if (this.size > 0) this.#timer = setTimeout(() => this.#look(), LOOK_MS)
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
