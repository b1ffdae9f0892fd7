import type { Frame } from './connection.js'
import { WsError } from './errors.js'

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
  reject: (error: WsError) => void
}

const TIMEOUT_MS = 10_000
/** How many calls may wait for a connection. */
const MAX_WAITING = 100

/** Calls that await their answers. */
export class Requests {
  readonly #connection: { readonly isConnected: boolean, send: (frame: object) => void }
  readonly #requests = new Map<string, Request>()
  #lastId = 0

  constructor (connection: { readonly isConnected: boolean, send: (frame: object) => void }) {
    this.#connection = connection
  }

  /** Sends a frame, now or when there is a connection. Resolves to the data of the reply. */
  send (frame: Frame, { signal, timeoutMs = TIMEOUT_MS, offline = 'wait' }: CallOptions = {}, isRepeatable = false): Promise<any> {
    const isOpen = this.#connection.isConnected
    if (signal?.aborted === true) return Promise.reject(new WsError('aborted', `"${frame.type}" was aborted`, { cause: signal.reason }))
    if (!isOpen && offline === 'fail') return Promise.reject(new WsError('disconnected', `There is no connection for "${frame.type}"`))
    if (!isOpen && this.#requests.size >= MAX_WAITING) {
      return Promise.reject(new WsError('queue_full', `${MAX_WAITING} calls wait for a connection; "${frame.type}" would be one more`))
    }
    return new Promise((resolve, reject) => {
      const id = `c${++this.#lastId}`
      const settle = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        this.#requests.delete(id)
      }
      const request: Request = {
        frame: { ...frame, id },
        isRepeatable,
        wasSent: false,
        isUnderWay: false,
        resolve: (data) => { settle(); resolve(data) },
        reject: (error) => { settle(); reject(error) }
      }
      const fail = (code: string, message: string, cause?: unknown) =>
        request.reject(new WsError(code, message, { cause, delivery: request.wasSent ? 'unknown' : 'not-sent' }))
      const abort = () => fail('aborted', `"${frame.type}" was aborted`, signal!.reason)
      const timer = setTimeout(() => fail('timeout', `"${frame.type}" got no answer within ${timeoutMs} ms`), timeoutMs)
      signal?.addEventListener('abort', abort)
      this.#requests.set(id, request)
      if (isOpen) this.#transmit(request)
    })
  }

  /** There is a connection: what waits is sent, in order, and what may be repeated is. */
  connected (): void {
    for (const request of this.#requests.values()) if (!request.isUnderWay) this.#transmit(request)
  }

  /** The connection is gone. What was sent and may not be repeated has failed. @param isAnonymous the server ignored the keys of calls */
  lost (error: WsError, isAnonymous: boolean): void {
    for (const request of [...this.#requests.values()]) {
      request.isUnderWay = false
      if (request.wasSent && (isAnonymous || !request.isRepeatable)) request.reject(new WsError(error.code, error.message, { cause: error, delivery: 'unknown' }))
    }
  }

  /** No connection follows. */
  close (error: WsError): void {
    for (const request of [...this.#requests.values()]) {
      request.reject(new WsError(error.code, error.message, { cause: error, delivery: request.wasSent ? 'unknown' : 'not-sent' }))
    }
  }

  /** Returns false for a frame that answers none of them. */
  answer ({ type, id, data, code, message, details }: Frame): boolean {
    const request = this.#requests.get(id as string)
    if (request === undefined) return false
    if (type === 'reply') request.resolve(data)
    else request.reject(new WsError(code, message, { details, delivery: deliveryOf(code) }))
    return true
  }

  #transmit (request: Request): void {
    request.wasSent = request.isUnderWay = true
    this.#connection.send(request.frame)
  }
}

/** Errors whose request may have taken effect. */
function deliveryOf (code: string): 'refused' | 'unknown' {
  return code === 'unavailable' || code === 'identity_changed' || code === 'internal' || code === 'outcome_unknown' ? 'unknown' : 'refused'
}
