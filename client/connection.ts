import { finalCloseCodes, SUBPROTOCOL, UNAUTHORIZED } from '../schemas/codes.js'
import type { ConnectionData } from '../schemas/frames/server.js'
import { Backoff } from './backoff.js'
import type { ServerClock } from './clock.js'
import { WsError } from './errors.js'
import type { Fail } from './emitter.js'
import { rest } from './rest.js'
import { listenToPage, mayBeOnline } from './wake.js'

/**
 * - `connecting`: the first socket is not open yet.
 * - `connected`: the server has greeted the socket.
 * - `reconnecting`: the socket is lost; the next one is awaited or under way.
 * - `restarting`: the server closes and has named a time to come back.
 * - `offline`: the device has no network.
 * - `signed-out`: there is no token that the server accepts. Only {@link Connection.start} goes on.
 * - `closed`: by `close()`, or by the server for good. Only {@link Connection.start} goes on.
 */
export type Status = 'connecting' | 'connected' | 'reconnecting' | 'restarting' | 'offline' | 'signed-out' | 'closed'

/** What is known beside the status. */
export interface StatusDetail {
  /** Why the latest socket ended or none could be opened; text for people who look for a fault. */
  reason?: string
  /** Close code of the server. */
  code?: number
  /** When the next attempt begins, on the clock of `Date.now()`. */
  retryAt?: number
}

/** Why a token is asked for: for a new socket, because the current one ends soon, or because the server has refused the last one. */
export type TokenReason = 'connect' | 'expiring' | 'refused'
export type GetToken = (why: { reason: TokenReason, signal: AbortSignal }) => string | null | undefined | Promise<string | null | undefined>

/** The part of a WebSocket that is used. */
export interface Socket {
  readonly protocol: string
  onopen: unknown
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number, reason: string }) => void) | null
  onerror: unknown
  send (data: string): void
  close (code?: number, reason?: string): void
}
export type OpenSocket = (url: string, protocols: string[]) => Socket

export interface Frame { type: string, id?: string | number, [field: string]: any }

export interface ConnectionOptions {
  /** URL of the plugin's routes, with http or https. */
  base: string
  /** @param token of the user whose socket it is; null: none */
  openSocket: (token: string | null) => Promise<OpenSocket>
  /** null: the user is anonymous, or known by a cookie. */
  getToken: GetToken | null
  clock: ServerClock
}

export interface ConnectionEvents {
  status: (status: Status, detail: StatusDetail) => void
  /** Positions of the streams that every socket is a member of. */
  positions: () => object
  /** The server has greeted a socket, or answered a change of identity (`isNew: false`). */
  greeted: (data: ConnectionData, isNew: boolean) => void
  frame: (frame: Frame) => void
  /** The socket is gone; another may follow. */
  lost: (error: WsError) => void
  fail: Fail
}

const CONNECT_TIMEOUT_MS = 10_000
const TOKEN_TIMEOUT_MS = 30_000
const PING_EVERY_MS = 20_000
const PONG_TIMEOUT_MS = 10_000
/** A page that is looked at again does not wait longer to learn that its socket is dead. */
const WAKE_PONG_TIMEOUT_MS = 1_000
/** A socket that has lived so long was no failed attempt. */
const STABLE_MS = 5_000
const REFRESH_AGAIN_MS = 5_000
/** Longer ones do not fit into the headers of every proxy. */
const MAX_HEADER_TOKEN = 4_096
/** The characters of a subprotocol (RFC 7230 section 3.2.6). */
const PROTOCOL_TOKEN = /^[\w!#$%&'*+\-.^`|~]+$/

/**
 * One socket after the other, never two at once: opens it, greets, keeps it alive, and comes back when it is lost. Whatever belongs
 * to a socket or an attempt that is over is ignored.
 */
export class Connection {
  status: Status = 'closed'
  detail: StatusDetail = {}
  /** The token of the current socket; null: none. */
  token: string | null = null
  readonly #options: ConnectionOptions
  readonly #events: ConnectionEvents
  readonly #backoff = new Backoff()
  #socket: Socket | null = null
  /** Aborted when the attempt, or the socket that came of it, is over. */
  #life: AbortController | null = null
  #isGreeted = false
  #greetedAt = 0
  #heardAt = 0
  /** Token that the server has refused; the same one is not tried again. */
  #refused: string | null = null
  /** True if the last attempt ended before it was greeted: a browser does not say why, so REST is asked. */
  #mustAsk = false
  #comeBackMs: number | null = null
  #retryAfterMs = 0
  /** Of the next attempt, the greeting, the next ping or its answer: there is never more than one to wait for. */
  #timer: ReturnType<typeof setTimeout> | undefined
  /** When the latest ping was sent, on the clock of `performance.now()`. */
  #pingedAt = 0
  /** Aborted when it is ended for good; null: it is. */
  #open: AbortController | null = null

  constructor (options: ConnectionOptions, events: ConnectionEvents) {
    this.#options = options
    this.#events = events
  }

  get isConnected (): boolean {
    return this.#isGreeted
  }

  /** Connects, where it does not already; also after `signed-out` and `closed`. */
  start (): void {
    if (this.#open !== null) return
    this.#open = new AbortController()
    listenToPage({ offline: () => this.#again({ reason: 'the device is offline' }), awake: () => this.#awake() }, this.#open.signal)
    this.#backoff.reset()
    this.#refused = null
    this.#set('connecting')
    this.#attempt()
  }

  /** Ends it for good. */
  stop (status: 'closed' | 'signed-out' = 'closed', detail: StatusDetail = {}): void {
    this.#open?.abort()
    this.#open = null
    this.#end(new WsError(status === 'closed' ? 'closed' : 'signed_out', detail.reason ?? 'The client was closed'))
    this.token = null
    this.#set(status, detail)
  }

  /** Sends a frame on the open socket. */
  send (frame: object): void {
    this.#socket!.send(JSON.stringify(frame))
  }

  async #attempt (): Promise<void> {
    // Somebody did not wait for it.
    clearTimeout(this.#timer)
    const life = this.#life = new AbortController()
    const { signal } = life
    try {
      const opening = await this.#prepare(signal)
      if (opening === null || signal.aborted) return
      const open = await this.#options.openSocket(this.token)
      if (signal.aborted) return
      this.#listen(open(opening.url, opening.protocols), signal)
    } catch (error) {
      if (signal.aborted) return
      this.#events.fail(error, 'the connection')
      this.#again({ reason: error instanceof Error ? error.message : String(error) })
    }
  }

  /** Returns where to connect to; null: it is over, or another attempt is due. */
  async #prepare (signal: AbortSignal): Promise<{ url: string, protocols: string[] } | null> {
    const { base, getToken } = this.#options
    const query = new URLSearchParams({ recover: JSON.stringify(this.#events.positions()) })
    const protocols: string[] = [SUBPROTOCOL]
    if (getToken !== null) {
      const token = await this.#askToken(this.#refused === null ? 'connect' : 'refused', signal)
      if (signal.aborted) return null
      if (token === null) {
        this.stop('signed-out', { reason: 'getToken() has no token' })
        return null
      }
      if (token === this.#refused) {
        this.stop('signed-out', { reason: 'the server refuses the token' })
        return null
      }
      this.token = token
      if (this.#mustAsk || token.length > MAX_HEADER_TOKEN || !PROTOCOL_TOKEN.test(token)) {
        const ticket = await this.#ticket(token, signal)
        if (ticket === null) return null
        query.set('ticket', ticket)
      } else {
        protocols.push(`bearer.${token}`)
      }
    }
    return { url: `${base.replace(/^http/, 'ws')}?${query}`, protocols }
  }

  async #askToken (reason: TokenReason, signal: AbortSignal): Promise<string | null> {
    let timer
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new WsError('no_token', `getToken() took more than ${TOKEN_TIMEOUT_MS} ms`)), TOKEN_TIMEOUT_MS)
    })
    try {
      const token = await Promise.race([this.#options.getToken!({ reason, signal }), late]) ?? null
      if (token !== null && typeof token !== 'string') throw new WsError('no_token', `getToken() returned ${typeof token}, not a string or null`)
      return token === '' ? null : token
    } finally {
      clearTimeout(timer)
    }
  }

  /** A ticket in place of the token, and what REST says where the socket cannot; null: it is over, or another attempt is due. */
  async #ticket (token: string, signal: AbortSignal): Promise<string | null> {
    const { status, body } = await rest(this.#options.base, 'POST', '/tickets', token, signal)
    if (signal.aborted) return null
    if (typeof body?.ticket === 'string') return body.ticket
    if (status === 401) {
      this.#unauthorized(token)
    } else if (status === 403) {
      this.stop('closed', { reason: body?.message ?? 'forbidden' })
    } else {
      this.#again({ reason: body?.message ?? 'the server cannot be reached, or something else answers in its place' })
    }
    return null
  }

  #listen (socket: Socket, signal: AbortSignal): void {
    this.#socket = socket
    this.#mustAsk = this.#options.getToken !== null
    this.#comeBackMs = null
    this.#plan(CONNECT_TIMEOUT_MS, () => this.#lost({ reason: `no greeting within ${CONNECT_TIMEOUT_MS} ms` }))
    // An error is always followed by the end.
    socket.onerror = () => {}
    socket.onmessage = ({ data }) => { if (!signal.aborted) this.#receive(data) }
    socket.onclose = ({ code, reason }) => { if (!signal.aborted) this.#closed(code, reason) }
  }

  #receive (data: unknown): void {
    this.#heardAt = performance.now()
    const frame = parse(data)
    if (frame === null || (!this.#isGreeted && !isGreeting(frame))) {
      this.#events.fail(new WsError('bad_answer', 'The server does not speak ws-manager.v1'), 'the connection')
      return this.#lost({ reason: 'the server speaks another protocol' })
    }
    switch (frame.type) {
      case 'pong': return this.#pong(frame)
      case 'reconnect':
        this.#comeBackMs = frame.after_ms
        return
      case 'token_expiring':
        this.#refresh(frame.expires_at)
        return
      case 'connection': return this.#greeted(frame.data)
      case 'error': if (frame.code === 'rate_limited') this.#retryAfterMs = frame.details?.retry_after_ms ?? 0
    }
    this.#events.frame(frame)
  }

  #greeted (data: ConnectionData): void {
    const isNew = !this.#isGreeted
    if (isNew) {
      this.#isGreeted = true
      this.#greetedAt = performance.now()
      this.#mustAsk = false
      this.#refused = null
      this.#retryAfterMs = 0
      this.#sendPing(PONG_TIMEOUT_MS)
    }
    this.#events.greeted(data, isNew)
    if (isNew && this.#isGreeted) this.#set('connected')
  }

  #closed (code: number, reason: string): void {
    const detail = { code, reason: reason === '' ? `closed with ${code}` : reason }
    if (code === UNAUTHORIZED) {
      const { token } = this
      this.#end(new WsError('disconnected', detail.reason))
      if (token === null) return this.stop('signed-out', detail)
      return this.#unauthorized(token)
    }
    if (finalCloseCodes.includes(code)) return this.stop('closed', detail)
    this.#lost(detail)
  }

  /** Another token at once; the same one again, or none, ends it. */
  #unauthorized (token: string): void {
    if (this.#refused !== null) return this.stop('signed-out', { reason: 'the server refuses the token' })
    this.#refused = token
    this.#end(new WsError('disconnected', 'the server refuses the token'))
    this.#set(this.status === 'connecting' ? 'connecting' : 'reconnecting')
    this.#attempt()
  }

  #lost (detail: StatusDetail): void {
    if (this.#isGreeted && performance.now() - this.#greetedAt > STABLE_MS) this.#backoff.reset()
    this.#again(detail)
  }

  /** Ends the socket or the attempt, and plans the next one. */
  #again (detail: StatusDetail): void {
    const isRestart = this.#comeBackMs !== null
    const delayMs = this.#comeBackMs ?? this.#retryAfterMs + this.#backoff.next()
    this.#comeBackMs = null
    this.#end(new WsError('disconnected', detail.reason ?? 'the connection was lost'))
    this.#plan(delayMs, () => this.#retry())
    const status = !mayBeOnline() ? 'offline' : isRestart ? 'restarting' : this.status === 'connecting' ? 'connecting' : 'reconnecting'
    this.#set(status, { ...detail, retryAt: Date.now() + delayMs })
  }

  #retry (): void {
    if (this.status !== 'connecting' && mayBeOnline()) this.#set('reconnecting')
    this.#attempt()
  }

  /** The network is back, or somebody looks at the page again: no time for delays, and a socket must prove that it lives. */
  #awake (): void {
    if (this.#life === null) return this.#retry()
    if (!this.#isGreeted) return
    // Timers stood still meanwhile: it was silent for longer than a living one can be.
    if (performance.now() - this.#heardAt > PING_EVERY_MS + PONG_TIMEOUT_MS) {
      this.#comeBackMs = 0
      return this.#again({ reason: 'the page was asleep' })
    }
    this.#sendPing(WAKE_PONG_TIMEOUT_MS)
  }

  #sendPing (timeoutMs: number): void {
    const at = this.#pingedAt = performance.now()
    this.send({ type: 'ping', timestamp: at })
    this.#plan(timeoutMs, () => {
      // Something else has come: it lives, and is only busy.
      if (this.#heardAt > at) this.#planPing()
      else this.#lost({ reason: `no answer to a ping within ${timeoutMs} ms` })
    })
  }

  #pong ({ timestamp, server_time: serverTime }: Frame): void {
    if (timestamp !== this.#pingedAt) return
    this.#options.clock.learn(serverTime, performance.now() - timestamp)
    this.#planPing()
  }

  #planPing (): void {
    this.#plan(PING_EVERY_MS, () => this.#sendPing(PONG_TIMEOUT_MS))
  }

  #plan (ms: number, run: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(run, ms)
  }

  /** Gives the socket a fresh token; tries again until the old one ends. */
  async #refresh (expiresAt: number): Promise<void> {
    if (this.#options.getToken === null) return
    const { signal } = this.#life!
    try {
      const token = await this.#askToken('expiring', signal)
      if (signal.aborted || token === null) return
      this.send({ type: 'auth', token })
      this.token = token
    } catch (error) {
      if (signal.aborted) return
      this.#events.fail(error, 'getToken()')
      const timer = setTimeout(() => { if (!signal.aborted && this.#options.clock.now < expiresAt) this.#refresh(expiresAt) }, REFRESH_AGAIN_MS)
      signal.addEventListener('abort', () => clearTimeout(timer))
    }
  }

  /** Nothing of a socket outlives it: no timer, no listener, no late frame. */
  #end (error: WsError): void {
    clearTimeout(this.#timer)
    this.#life?.abort()
    this.#life = null
    const socket = this.#socket
    this.#socket = null
    const wasGreeted = this.#isGreeted
    this.#isGreeted = false
    socket?.close()
    if (wasGreeted) this.#events.lost(error)
  }

  #set (status: Status, detail: StatusDetail = {}): void {
    this.status = status
    this.detail = detail
    this.#events.status(status, detail)
  }
}

function parse (data: unknown): Frame | null {
  if (typeof data !== 'string') return null
  try {
    const frame = JSON.parse(data)
    return typeof frame === 'object' && frame !== null && typeof frame.type === 'string' ? frame : null
  } catch {
    return null
  }
}

/** A socket that is refused with an `error` frame, before it is closed, is greeted by it as well. */
function isGreeting ({ type, data }: Frame): boolean {
  return type === 'error' || (type === 'connection' && Array.isArray(data?.streams))
}
