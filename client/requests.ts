import { codeOf, isOver, type Connection, type Frame } from './connection.js'
import { UNCERTAIN, WsError, type WsErrorOptions } from './errors.js'

export interface CallOptions {
  /** Ends the waiting; the server may do the call all the same. */
  signal?: AbortSignal
  /** How long the answer may take, the time in which there is no connection included. Default 10,000 ms. */
  timeoutMs?: number
  /** `wait`: while there is no connection, the call waits for one; `fail`: it fails at once. Default `wait`. */
  offline?: 'wait' | 'fail'
  /**
   * false: the call has no key by which the server knows a repetition: it is sent once, and its outcome is `unknown` when the connection is lost.
   * For calls that come many times a second, since the server remembers only so many. Default true.
   */
  repeat?: boolean
}

interface Request {
  outgoing: Frame
  /** True if the server answers a repetition like the first one. */
  isRepeatable: boolean | undefined
  wasSent: boolean
  /** True if the current socket has it. */
  isUnderWay: boolean
  fulfil: (data: any) => void
  /** @param message default: the type of the frame, and the code; @param options `delivery` default: by whether it was sent */
  fail: (code: string, message?: string, options?: WsErrorOptions) => void
}

const TIMEOUT_MS = 10_000
/** How many calls may wait for a connection. */
const MAX_WAITING = 100

/** Calls that await their answers. */
export class Requests {
  readonly #connection: Pick<Connection, 'isGreeted' | 'status' | 'transmit'>
  readonly #requests = new Map<string, Request>()
  /** What the server knows repeatable calls of this client by; the number of the request follows. */
  readonly #key = crypto.getRandomValues(new Uint32Array(4)).join('-')
  #lastId = 0

  constructor (connection: Pick<Connection, 'isGreeted' | 'status' | 'transmit'>) {
    this.#connection = connection
  }

  /** Sends a frame, now or when there is a connection. Resolves to the data of the reply. */
  send (frame: Frame, { signal, timeoutMs = TIMEOUT_MS, offline, repeat }: CallOptions = {}): Promise<any> {
    return new Promise((resolve, reject) => {
      const id = String(++this.#lastId)
      const settle = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        this.#requests.delete(id)
      }
      const request: Request = {
        outgoing: { ...frame, id, ...repeat && { idempotency_key: `${this.#key}-${id}` } },
        isRepeatable: repeat,
        wasSent: false,
        isUnderWay: false,
        fulfil: (data) => { settle(); resolve(data) },
        fail: (code, message = `${frame.type}: ${code}`, { delivery = request.wasSent ? 'unknown' : 'not-sent', ...options } = {}) => {
          settle()
          reject(new WsError(code, message, { delivery, ...options }))
        }
      }
      const abort = () => request.fail('aborted', undefined, { cause: signal!.reason })
      const timer = setTimeout(() => request.fail('timeout'), timeoutMs)
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

  /** There is a connection: what waits is sent, in order, and what may be repeated is. */
  reconnected (): void {
    for (const request of this.#requests.values()) if (!request.isUnderWay) this.#transmit(request)
  }

  /** The connection is gone. What was sent and may not be repeated has failed. @param isAnonymous the server ignored the keys of calls */
  interrupted (code: string, message: string, isAnonymous: boolean): void {
    for (const request of [...this.#requests.values()]) {
      request.isUnderWay = false
      if (request.wasSent && (isAnonymous || !request.isRepeatable)) request.fail(code, message)
    }
  }

  /** No connection follows. */
  close (code: string, message: string): void {
    for (const request of [...this.#requests.values()]) request.fail(code, message)
  }

  /** Returns false for a frame that answers none of them. */
  answer ({ type, id, data, code, message, details }: Frame): boolean {
    const request = this.#requests.get(id as string)
    if (!request) return false
    if (type === 'reply') request.fulfil(data)
    else request.fail(code, message, { details, delivery: UNCERTAIN.includes(code) ? 'unknown' : 'refused' })
    return true
  }

  #transmit (request: Request): void {
    request.wasSent = request.isUnderWay = true
    this.#connection.transmit(request.outgoing)
  }
}
