import { UnavailableError } from '../../errors.js'
import { inTime } from '../../in-time.js'

/** When a call must have settled. */
export class Deadline {
  readonly #at: number

  constructor (ms: number) {
    this.#at = performance.now() + ms
  }

  get leftMs (): number {
    return Math.max(0, this.#at - performance.now())
  }

  /**
   * What the promise comes to, in time. A result that comes later is dropped, as is a late failure.
   *
   * @throws WSM_ERR_UNAVAILABLE when it is over
   */
  race<T> (promise: Promise<T>): Promise<T> {
    return inTime(promise, this.leftMs, () => { throw unavailable('it did not answer in time') })
  }
}

export function unavailable (reason: string, cause?: unknown): Error {
  return Object.assign(new UnavailableError(`Redis is not available: ${reason}`), { cause })
}
