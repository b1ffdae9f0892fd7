import type { Frame } from './connection.js'
import { UNCERTAIN, WsError, type WsErrorOptions } from './errors.js'

export interface CallOptions {
  /** Ends the waiting; the server may do the call all the same. */
  signal?: AbortSignal
  /** How long the answer may take, the time in which there is no connection included. Default 10,000 ms. */
  timeoutMs?: number
  /** `wait`: while there is no connection, the call waits for one; `fail`: it fails at once. Default `wait`. */
  offline?: 'wait' | 'fail'
}

interface Request {
  frame: Frame
  /** True if the server answers a repetition like the first one. */
  isRepeatable: boolean
  wasSent: boolean
  /** True if the current socket has it. */
  isUnderWay: boolean
  resolve: (data: any) => void
  /** @param message default: the type of the frame, and the code; @param options `delivery` default: by whether it was sent */
  reject: (code: string, message?: string, options?: WsErrorOptions) => void
}

const TIMEOUT_MS = 10_000
/** How many calls may wait for a connection. */
const MAX_WAITING = 100

/** Calls that await their answers. */
export class Requests {
  readonly #connection: { readonly isGreeted: boolean, send: (frame: object) => void }
  readonly #requests = new Map<string, Request>()
  /** What the server knows repeatable calls of this client by; the number of the request follows. */
  readonly #key = crypto.getRandomValues(new Uint32Array(4)).join('-')
  #lastId = 0

  constructor (connection: { readonly isGreeted: boolean, send: (frame: object) => void }) {
    this.#connection = connection
  }

  /** Sends a frame, now or when there is a connection. Resolves to the data of the reply. */
  send (frame: Frame, { signal, timeoutMs = TIMEOUT_MS, offline = 'wait' }: CallOptions = {}, isRepeatable = false): Promise<any> {
    return new Promise((resolve, reject) => {
      const id = String(++this.#lastId)
      const settle = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        this.#requests.delete(id)
      }
      const request: Request = {
        frame: { ...frame, id, ...isRepeatable && { idempotency_key: `${this.#key}-${id}` } },
        isRepeatable,
        wasSent: false,
        isUnderWay: false,
        resolve: (data) => { settle(); resolve(data) },
        reject: (code, message = `${frame.type}: ${code}`, { delivery = request.wasSent ? 'unknown' : 'not-sent', ...options } = {}) => {
          settle()
          reject(new WsError(code, message, { delivery, ...options }))
        }
      }
      const abort = () => request.reject('aborted', undefined, { cause: signal!.reason })
      const timer = setTimeout(() => request.reject('timeout'), timeoutMs)
      if (signal?.aborted) return abort()
      if (!this.#connection.isGreeted) {
        if (offline === 'fail') return request.reject('disconnected')
        if (this.#requests.size >= MAX_WAITING) return request.reject('queue_full')
      }
      signal?.addEventListener('abort', abort)
      this.#requests.set(id, request)
      if (this.#connection.isGreeted) this.#transmit(request)
    })
  }

  /** Calls a handler of the app. */
  call (type: string, data: object, options?: CallOptions): Promise<any> {
    return this.send({ ...data, type }, options, true)
  }

  /** There is a connection: what waits is sent, in order, and what may be repeated is. */
  reconnected (): void {
    for (const request of this.#requests.values()) if (!request.isUnderWay) this.#transmit(request)
  }

  /** The connection is gone. What was sent and may not be repeated has failed. @param isAnonymous the server ignored the keys of calls */
  interrupted (code: string, message: string, isAnonymous: boolean): void {
    for (const request of [...this.#requests.values()]) {
      request.isUnderWay = false
      if (request.wasSent && (isAnonymous || !request.isRepeatable)) request.reject(code, message)
    }
  }

  /** No connection follows. */
  close (code: string, message: string): void {
    for (const request of [...this.#requests.values()]) request.reject(code, message)
  }

  /** Returns false for a frame that answers none of them. */
  answer ({ type, id, data, code, message, details }: Frame): boolean {
    const request = this.#requests.get(id as string)
    if (!request) return false
    if (type === 'reply') request.resolve(data)
    else request.reject(code, message, { details, delivery: UNCERTAIN.includes(code) ? 'unknown' : 'refused' })
    return true
  }

  #transmit (request: Request): void {
    request.wasSent = request.isUnderWay = true
    this.#connection.send(request.frame)
  }
}
