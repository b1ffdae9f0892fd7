import { UnavailableError } from '../../errors.js'
import { inTime } from '../../in-time.js'

/** Time by which a call must settle. */
export class Deadline {
  readonly #at: number

  constructor (ms: number) {
    this.#at = performance.now() + ms
  }

  get leftMs (): number {
    return Math.max(0, this.#at - performance.now())
  }

  /**
   * Settles as the promise does, but within the deadline. Late results and failures are dropped.
   *
   * @throws WSM_ERR_UNAVAILABLE if the deadline has passed
   */
  race<T> (promise: Promise<T>): Promise<T> {
    return inTime(promise, this.leftMs, () => { throw unavailable('it did not answer in time') })
  }
}

export function unavailable (reason: string, cause?: unknown): Error {
  return Object.assign(new UnavailableError(`Redis is not available: ${reason}`), { cause })
}
