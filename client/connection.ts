import { finalCloseCodes, MESSAGE_TOO_BIG, SUBPROTOCOL, UNAUTHORIZED } from '../schemas/codes.js'
import type { ConnectionData } from '../schemas/frames/server.js'
import { createBackoff } from './backoff.js'
import { WsError } from './errors.js'
import type { Fail } from './emitter.js'
import { rest } from './rest.js'
import type { Frame, OpenSocket, Socket } from './socket.js'
import { codeOf, type EndStatus, type Status, type StatusDetail } from './status.js'
import { mayBeOnline, onPage } from './wake.js'

/** Why a token is asked for: for a new socket, because the current one ends soon, or because the server has refused the last one. */
export type TokenReason = 'connect' | 'expiring' | 'refused'
export type GetToken = (why: { reason: TokenReason, signal: AbortSignal }) => string | null | undefined | Promise<string | null | undefined>

/** The client of a connection: its settings, and the callbacks that the connection calls. */
export interface ConnectionHost {
  /** URL of the plugin's routes, with http or https. */
  base: string
  /** @param token of the user whose socket it is; null: none */
  openSocket: (token: string | null) => Promise<OpenSocket>
  /** null: the user is anonymous, or known by a cookie. */
  getToken: GetToken | null
  status: (status: Status, detail: StatusDetail) => void
  /** Positions of the streams that every socket is a member of. */
  positions: () => object
  /** The server has greeted a socket, or answered a change of identity (`isNew: false`). */
  greeted: (data: ConnectionData, isNew: boolean) => void
  frame: (frame: Frame) => void
  /** The socket is gone; another may follow. */
  interrupted: (code: string, reason: string) => void
  fail: Fail
}

const CONNECT_TIMEOUT_MS = 10_000
const TOKEN_TIMEOUT_MS = 30_000
const PING_EVERY_MS = 20_000
const PONG_TIMEOUT_MS = 10_000
/** Shorter when a page becomes visible: its user waits. */
const WAKE_PONG_TIMEOUT_MS = 1_000
/** Lifetime after which a lost socket does not count as a failed attempt. */
const STABLE_MS = 5_000
/** Close code of a server that has had too many frames, or has no room. */
const TRY_AGAIN_LATER = 1013
const REFRESH_AGAIN_MS = 5_000
const REFUSED = 'the token is refused'
/** Longer ones do not fit into the headers of every proxy. */
const MAX_HEADER_TOKEN = 4_096
/** The characters of a subprotocol (RFC 7230 section 3.2.6). */
const PROTOCOL_TOKEN = /^[\w!#$%&'*+\-.^`|~]+$/

/**
 * One socket after the other, never two at once: opens it, waits for the greeting, keeps it alive, and reconnects when it is lost. Ignores
 * whatever still comes from a socket or an attempt that is over.
 */
export class Connection {
  status: Status = 'closed'
  lastDetail: StatusDetail = {}
  /** The token of the current socket; null: none. */
  token: string | null = null
  /** True while there is a socket that the server has greeted. */
  isGreeted = false
  readonly #host: ConnectionHost
  /** From the page's own clock, which does not jump when that of the device is set, to the server's; until the first pong, to that of the device. */
  #skewMs = performance.timeOrigin
  #backoff = createBackoff()
  #socket: Socket | null = null
  /** Aborted when the attempt, or the socket that came of it, is over. */
  #life: AbortController | null = null
  #heardAt = 0
  #greetedAt = 0
  /** Token that was sent on the socket, and is not confirmed yet. */
  #fresh: string | null = null
  /** Token that the server has refused; the same one is not tried again. */
  #refused: string | null = null
  /** True if the last attempt ended before it was greeted: a browser does not say why, so REST is asked. */
  #mustAsk = false
  #comeBackMs: number | null = null
  #retryAfterMs = 0
  /** The only timer: for the next attempt, the greeting, the next ping or its answer. */
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Aborted by `conclude()`; null: the connection is closed for good. */
  #open: AbortController | null = null

  constructor (host: ConnectionHost) {
    this.#host = host
  }

  /** Connects, also after `signed-out` and `closed`. Does nothing if it is started already. */
  start (): void {
    if (this.#open) return
    this.#open = new AbortController()
    const { signal } = this.#open
    onPage(['offline'], () => this.#again('offline'), signal)
    onPage(['online', 'pageshow'], () => this.#awake(), signal)
    onPage(['visibilitychange'], () => { if (document.visibilityState === 'visible') this.#awake() }, signal)
    this.#backoff = createBackoff()
    this.#refused = null
    this.#set('connecting')
    this.#attempt()
  }

  /** Closes the socket. Only `start()` opens another. */
  conclude (status: EndStatus, reason: string, code?: number): void {
    this.#open?.abort()
    this.#open = null
    this.#end(reason, codeOf(status))
    this.token = null
    this.#set(status, { reason, code })
  }

  /** Milliseconds since 1970 on the server's clock: the clock of a device may be minutes off. */
  get serverNow (): number {
    return performance.now() + this.#skewMs
  }

  /** Sends a frame on the open socket. */
  transmit (frame: string): void {
    this.#socket!.send(frame)
  }

  async #attempt (): Promise<void> {
    this.#heardAt = performance.now()
    // Also replaces the timer of the next attempt, where this one began early.
    this.#plan(TOKEN_TIMEOUT_MS, () => this.#again('no token'))
    const { base, getToken, openSocket } = this.#host
    const { signal } = this.#life = new AbortController()
    try {
      const query = new URLSearchParams({ recover: JSON.stringify(this.#host.positions()) })
      const protocols: string[] = [SUBPROTOCOL]
      if (getToken) {
        const token = await this.#askToken(this.#refused ? 'refused' : 'connect', signal)
        if (signal.aborted) return
        if (!token) return this.conclude('signed-out', 'no token')
        if (token === this.#refused) return this.conclude('signed-out', REFUSED)
        this.token = token
        if (this.#mustAsk || token.length > MAX_HEADER_TOKEN || !PROTOCOL_TOKEN.test(token)) {
          const { status, body } = await rest(base, 'POST', '/tickets', token, signal)
          if (signal.aborted) return
          if (status === 401) return this.#unauthorized(token)
          if (status === 403) return this.conclude('closed', body.message)
          if (typeof body?.ticket !== 'string') return this.#again(body?.message ?? 'something else in its place')
          query.set('ticket', body.ticket)
        } else {
          protocols.push(`bearer.${token}`)
        }
      }
      const open = await openSocket(this.token)
      if (!signal.aborted) this.#listen(open(`${base.replace(/^http/, 'ws')}?${query}`, protocols), signal)
    } catch (error) {
      if (signal.aborted) return
      this.#host.fail(error, 'the connection')
      this.#again(String(error))
    }
  }

  async #askToken (reason: TokenReason, signal: AbortSignal): Promise<string | null> {
    const token: unknown = await this.#host.getToken!({ reason, signal }) || null
    if (token !== null && typeof token !== 'string') throw new WsError('no_token', `getToken() returned a ${typeof token}`)
    return token
  }

  #listen (socket: Socket, signal: AbortSignal): void {
    this.#socket = socket
    this.#mustAsk = Boolean(this.#host.getToken)
    this.#comeBackMs = null
    this.#plan(CONNECT_TIMEOUT_MS, () => this.#again('no greeting'))
    // `onclose` always follows.
    socket.onerror = () => {}
    socket.onmessage = ({ data }) => {
      try {
        if (!signal.aborted) this.#receive(data)
      } catch (error) {
        // Keeps the socket, and the frames behind a broken one, once the client is connected.
        const reason = String(error)
        this.#host.fail(new WsError('bad_answer', reason, { cause: error }), 'the connection')
        if (!signal.aborted && this.status !== 'connected') this.#again(reason)
      }
    }
    socket.onclose = ({ code, reason }) => { if (!signal.aborted) this.#closed(code, reason) }
  }

  #receive (data: unknown): void {
    this.#heardAt = performance.now()
    const frame = JSON.parse(data as string)
    if (!this.isGreeted && !isGreeting(frame)) throw new TypeError(`the server does not speak ${SUBPROTOCOL}`)
    switch (frame.type) {
      case 'pong': return this.#pong(frame)
      case 'reconnect':
        this.#comeBackMs = frame.after_ms
        return
      case 'token_expiring':
        this.#refresh(this.#life!.signal)
        return
      case 'connection': return this.#greeted(frame.data)
      case 'error': this.#retryAfterMs = frame.details?.retry_after_ms ?? this.#retryAfterMs
    }
    this.#host.frame(frame)
  }

  #greeted (data: ConnectionData): void {
    const isNew = !this.isGreeted
    if (isNew) {
      this.isGreeted = true
      this.#greetedAt = performance.now()
      this.#mustAsk = false
      this.#refused = null
      this.#retryAfterMs = 0
      this.#sendPing(PONG_TIMEOUT_MS)
    }
    // Only now: a token that the server could not check is not the one that it refuses later.
    this.token = this.#fresh ?? this.token
    this.#fresh = null
    this.#host.greeted(data, isNew)
    if (isNew && this.isGreeted) this.#set('connected')
  }

  #closed (code: number, reason: string): void {
    reason ||= `code ${code}`
    if (code === UNAUTHORIZED) this.token ? this.#unauthorized(this.token) : this.conclude('signed-out', reason, code)
    else if (finalCloseCodes.includes(code)) this.conclude('closed', reason, code)
    else this.#again(reason, code)
  }

  /** Another token at once; the same one again, or none, ends it. */
  #unauthorized (token: string): void {
    if (this.#refused) return this.conclude('signed-out', REFUSED)
    this.#refused = token
    this.#retry(REFUSED)
  }

  /** Ends the socket or the attempt, and plans the next one. */
  #again (reason: string, code?: number): void {
    if (this.isGreeted && performance.now() - this.#greetedAt > STABLE_MS) this.#backoff = createBackoff()
    const comeBackMs = this.#comeBackMs
    const delayMs = comeBackMs ?? (code === TRY_AGAIN_LATER ? this.#retryAfterMs : 0) + this.#backoff()
    this.#comeBackMs = null
    this.#end(reason, code === MESSAGE_TOO_BIG ? 'too_large' : undefined)
    this.#plan(delayMs, () => this.#retry(reason))
    this.#setLost({ reason, code, retryAt: Date.now() + delayMs }, comeBackMs !== null)
  }

  /** Ends the socket or the attempt, and begins the next one. */
  #retry (reason: string): void {
    this.#end(reason)
    this.#setLost({ reason })
    this.#attempt()
  }

  #setLost (detail: StatusDetail, isRestart = false): void {
    this.#set(!mayBeOnline() ? 'offline' : isRestart ? 'restarting' : this.status === 'connecting' ? 'connecting' : 'reconnecting', detail)
  }

  /** The network is back, or the page is visible again: tries at once, and checks that an open socket is alive. */
  #awake (): void {
    // Timers stood still while the page slept: the socket, or the attempt, was silent for longer than a living one is.
    if (!this.#life || performance.now() - this.#heardAt > (this.isGreeted ? PING_EVERY_MS + PONG_TIMEOUT_MS : WAKE_PONG_TIMEOUT_MS)) this.#retry('awake')
    else if (this.isGreeted) this.#sendPing(WAKE_PONG_TIMEOUT_MS)
  }

  #sendPing (timeoutMs: number): void {
    const at = performance.now()
    this.transmit(JSON.stringify({ type: 'ping', timestamp: at }))
    this.#plan(timeoutMs, () => {
      // Other frames have come: the socket is alive, only busy.
      if (this.#heardAt > at) this.#planPing()
      else this.#again('no pong in time')
    })
  }

  #pong ({ timestamp, server_time: serverTime }: Frame): void {
    // The server answered in the middle between the ping and now.
    this.#skewMs = serverTime - (performance.now() + timestamp) / 2
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
  async #refresh (signal: AbortSignal): Promise<void> {
    if (!this.#host.getToken || signal.aborted) return
    try {
      const token = await this.#askToken('expiring', signal)
      if (signal.aborted || !token) return
      this.#fresh = token
      this.transmit(JSON.stringify({ type: 'auth', token }))
    } catch (error) {
      if (signal.aborted) return
      this.#host.fail(error, 'getToken()')
      setTimeout(() => this.#refresh(signal), REFRESH_AGAIN_MS)
    }
  }

  /** Nothing of a socket outlives it: no timer, no listener, no late frame. */
  #end (reason: string, code = 'disconnected'): void {
    clearTimeout(this.#timer)
    this.#life?.abort()
    this.#life = null
    const socket = this.#socket
    this.#socket = null
    const wasGreeted = this.isGreeted
    this.isGreeted = false
    this.#fresh = null
    socket?.close()
    if (wasGreeted) this.#host.interrupted(code, reason)
  }

  #set (status: Status, detail: StatusDetail = {}): void {
    this.status = status
    this.lastDetail = detail
    this.#host.status(status, detail)
  }
}

/** A socket that is refused with an `error` frame, or told to come back, before it is closed, is greeted by it as well. */
function isGreeting ({ type, data }: Frame): boolean {
  return type === 'connection' ? Array.isArray(data?.streams) : ['error', 'reconnect'].includes(type)
}
