import { MAX_TIMER_MS } from './backoff.js'
import type { Connection } from './connection.js'
import { UNCERTAIN, WsError, type WsErrorOptions } from './errors.js'
import type { Frame } from './socket.js'
import { codeOf, isOver } from './status.js'

export interface CallOptions {
  /** Stops waiting for the answer; the server may still run the call. */
  signal?: AbortSignal
  /** Time allowed for the answer, including time without a connection. Default 10,000 ms. */
  timeoutMs?: number
  /** `wait`: while there is no connection, the call waits for one; `fail`: it fails at once. Default `wait`. */
  offline?: 'wait' | 'fail'
  /**
   * false: sends the call once, without an idempotency key; when the connection is lost, it fails with the delivery `unknown`. For calls made many
   * times a second: the server remembers a limited number of keys. Default true.
   */
  repeat?: boolean
}

/** Arguments behind the type of a call: `data` may be left out if all its fields may be. */
export type CallArguments<D> = {} extends D ? [data?: D, options?: CallOptions] : [data: D, options?: CallOptions]

interface Request {
  /** The frame as it was when it was made: a repetition must not differ. */
  outgoing: string
  /** True if the server runs the request once, however often it is sent. */
  isRepeatable: boolean | undefined
  /** When it was first sent, by `Date.now()`, which goes on while a device sleeps; 0: it was not. */
  sentAt: number
  /** True if the current socket has it. */
  isUnderWay: boolean
  fulfil: (data: any) => void
  /** @param message default: type and code @param options default of `delivery`: `unknown` if it was sent, else `not-sent` */
  fail: (code: string, message?: string, options?: WsErrorOptions) => void
}

const TIMEOUT_MS = 10_000
/** Maximum number of requests that wait for a connection. */
const MAX_WAITING = 100
/** The server remembers a call for ten minutes after its end. Later, a repetition would run it again. */
const REPEATABLE_MS = 540_000

/** Requests without an answer yet. */
export class Requests {
  readonly #connection: Pick<Connection, 'isGreeted' | 'status' | 'transmit'>
  readonly #requests = new Map<string, Request>()
  /** First part of the idempotency keys of this client; the number of the request follows. */
  readonly #key = crypto.getRandomValues(new Uint32Array(4)).join('-')
  #lastId = 0

  constructor (connection: Pick<Connection, 'isGreeted' | 'status' | 'transmit'>) {
    this.#connection = connection
  }

  /** Sends a frame, now or when there is a connection. Resolves to the data of the reply. */
  send (frame: Frame, { signal, timeoutMs = TIMEOUT_MS, offline, repeat }: CallOptions = {}): Promise<any> {
    return new Promise((resolve, reject) => {
      const id = String(++this.#lastId)
      const outgoing = JSON.stringify({ ...frame, id, ...repeat && { idempotency_key: `${this.#key}-${id}` } })
      const settle = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        this.#requests.delete(id)
      }
      const request: Request = {
        outgoing,
        isRepeatable: repeat,
        sentAt: 0,
        isUnderWay: false,
        fulfil: (data) => { settle(); resolve(data) },
        fail: (code, message = `${frame.type}: ${code}`, { delivery = request.sentAt ? 'unknown' : 'not-sent', ...options } = {}) => {
          settle()
          reject(new WsError(code, message, { delivery, ...options }))
        }
      }
      const abort = () => request.fail('aborted', undefined, { cause: signal!.reason })
      const timer = setTimeout(() => request.fail('timeout'), Math.min(timeoutMs, MAX_TIMER_MS))
      if (signal?.aborted) return abort()
      const { isGreeted, status } = this.#connection
      if (!isGreeted) {
        if (isOver(status)) return request.fail(codeOf(status))
        if (offline === 'fail') return request.fail('disconnected')
        if (this.#requests.size >= MAX_WAITING) return request.fail('queue_full')
      }
      signal?.addEventListener('abort', abort)
      this.#requests.set(id, request)
      if (isGreeted) this.#transmit(request)
    })
  }

  /** Calls a handler of the app. */
  call (type: string, data: object, options?: CallOptions): Promise<any> {
    return this.send({ ...data, type }, { repeat: true, ...options })
  }

  /** Sends the waiting requests on a new connection, in order; those that were sent before are repeated. */
  reconnected (): void {
    for (const request of this.#requests.values()) {
      if (request.isUnderWay || !this.#connection.isGreeted) continue
      if (request.sentAt && Date.now() - request.sentAt > REPEATABLE_MS) request.fail('disconnected')
      else this.#transmit(request)
    }
  }

  /** Fails the requests that were sent and must not be repeated. @param isAnonymous true: the server ignores the keys of anonymous users */
  interrupted (code: string, message: string, isAnonymous: boolean): void {
    for (const request of this.#requests.values()) {
      request.isUnderWay = false
      if (request.sentAt && (code !== 'disconnected' || isAnonymous || !request.isRepeatable)) request.fail(code, message)
    }
  }

  /** Fails all requests: no connection follows. */
  close (code: string, message: string): void {
    for (const request of this.#requests.values()) request.fail(code, message)
  }

  /** Settles the request that a frame answers. Returns false if there is none. */
  answer ({ type, id, data, code, message, details }: Frame): boolean {
    const request = this.#requests.get(id as string)
    if (!request) return false
    if (type === 'reply') request.fulfil(data)
    else request.fail(code, message, { details, delivery: UNCERTAIN.includes(code) ? 'unknown' : 'refused' })
    return true
  }

  #transmit (request: Request): void {
    request.sentAt ||= Date.now()
    request.isUnderWay = true
    this.#connection.transmit(request.outgoing)
  }
}
