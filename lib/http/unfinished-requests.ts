import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Answer } from './awaited-answers.js'
import { ClosingTime } from './closing-time.js'
import { Http1Connections } from './http1-connections.js'
import { Http2Sessions } from './http2-sessions.js'

/** Interval of checks while the server closes. */
const SWEEP_MS = 400

/**
 * Connections of the app's servers, except upgraded ones. A closing server answers every request that has begun to arrive, and
 * waits for every response to be read and every HTTP/2 session to end; Node has no time-out for these while closing.
 */
export class UnfinishedRequests {
  readonly #arrivalMs: number
  readonly #onLate: () => void
  readonly #time = new ClosingTime()
  readonly #http1 = new Http1Connections(this.#time)
  readonly #http2 = new Http2Sessions(this.#time)
  /** TCP connections during their TLS handshake, by the peer's address and port. */
  readonly #handshakes = new Map<string, { socket: Socket, acceptedAt: number }>()
  /** Servers that have not closed. */
  readonly #servers = new Set<Server>()
  #timer: NodeJS.Timeout | undefined
  #check: NodeJS.Immediate | undefined
  #isEnding = false

  /**
   * @param arrivalMs time for a request to finish arriving once the server closes
   * @param onLate called at every check after that time
   */
  constructor (server: Server, arrivalMs: number, onLate: () => void) {
    this.#arrivalMs = arrivalMs
    this.#onLate = onLate
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
      this.#scheduleSweep()
    }
    const onConnection = (socket: Socket) => {
      if (isTls) this.#handshakes.delete(peerOf(socket))
      // Without ALPN a TLS server falls back to HTTP/1.1; an HTTP/2 server without TLS speaks nothing else.
      const { alpnProtocol } = socket as TLSSocket
      if (isHttp2 && alpnProtocol !== false && alpnProtocol !== 'http/1.1') this.#http2.addSocket(socket)
      else this.#http1.add(socket)
      this.#scheduleSweep()
    }
    const onSession = (session: ServerHttp2Session) => this.#http2.addSession(session)
    const onRequest = (request: IncomingMessage | Http2ServerRequest, answer: Answer) => {
      if ('stream' in request) this.#http2.addStream(request.stream, answer as Http2ServerResponse)
      else if (!this.#isEnding) this.#http1.addRequest(request, answer as ServerResponse)
    }

    const listeners: Array<[event: string, listener: (...args: never[]) => void]> = [
      [connected, onConnection], ['session', onSession], ['request', onRequest]
    ]
    if (isTls) listeners.push(['connection', onHandshake])
    for (const [event, listener] of listeners) server.prependListener(event, listener as () => void)
    this.#keepQuietConnections(server)
    // Until it has closed: a connection accepted meanwhile must not delay it either.
    this.#servers.add(server)
    server.once('close', () => {
      for (const [event, listener] of listeners) server.removeListener(event, listener as () => void)
      this.#servers.delete(server)
      if (this.#servers.size === 0) this.#stopSweeping()
    })
  }

  /** Stops tracking an upgrading connection; its taker is responsible for it. */
  upgraded (socket: Duplex): void {
    this.#http1.remove(socket as Socket)
  }

  /** Number of tracked entries. */
  get size (): number {
    return this.#http1.size + this.#http2.size + this.#handshakes.size
  }

  /** Ends each HTTP/1.1 connection with its last response from now on. Idempotent. */
  end (): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#http1.end()
    for (const server of this.#servers) this.#deferRequests(server)
  }

  /**
   * Destroys what waits for a client, now and from now on: connections without a request, requests that do not arrive completely
   * in time, and, a moment later, unread responses. Responses that the app works on are awaited, and so are the first request of
   * a just accepted connection and the next one of a keep-alive connection. Called after `end`.
   *
   * @param since time at which clients were told that the node closes, by `performance.now()`
   */
  destroy (since: number): void {
    this.#time.setDeadline(performance.now(), since, this.#arrivalMs)
    this.#http2.destroyFinished()
    this.#sweep()
  }

  /** Keeps idle connections open during `close()`: Node destroys them even if a request has arrived that it has not read yet. */
  #keepQuietConnections (server: Server): void {
    const { close } = server
    server.close = (callback) => {
      const { closeIdleConnections } = server
      server.closeIdleConnections = () => {}
      this.end()
      this.#time.windUp(performance.now())
      this.#scheduleSweep()
      try {
        return close.call(server, callback)
      } finally {
        server.closeIdleConnections = closeIdleConnections
      }
    }
  }

  /** Handles a request in the next tick, once everything that arrived with it has been read: a response must know whether it is the last. */
  #deferRequests (server: Server): void {
    const { emit } = server
    server.emit = (...event: [name: string | symbol, ...args: unknown[]]) => {
      const [name, request, answer] = event as [name: string, request: IncomingMessage, answer: ServerResponse]
      if (name !== 'request' || 'stream' in request) return Reflect.apply(emit, server, event) as boolean
      if (this.#http1.addRequest(request, answer)) process.nextTick(() => { Reflect.apply(emit, server, event) })
      return true
    }
  }

  #sweep (): void {
    this.#stopSweeping()
    const now = performance.now()
    this.#http1.sweep(now)
    if (this.#time.isOver) {
      for (const { socket, acceptedAt } of this.#handshakes.values()) if (!this.#time.isNew(acceptedAt, now)) socket.destroy()
      this.#http2.sweep(now)
      if (now >= this.#time.deadline) this.#onLate()
    }
    this.#scheduleSweep()
  }

  /** Checks again shortly after the server closes, once data that arrived meanwhile has been read. */
  #scheduleSweep (): void {
    if (!this.#time.isWindingUp || this.size === 0) return
    this.#timer ??= setTimeout(() => { this.#check = setImmediate(() => this.#sweep()) }, SWEEP_MS)
  }

  #stopSweeping (): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#check)
    this.#timer = undefined
  }
}

/** Identifies a connection: a TLS socket and its TCP socket share this value. */
function peerOf ({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
