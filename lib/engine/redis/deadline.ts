import { UnavailableError } from '../../errors.js'

/** When a call must have settled. */
export class Deadline {
  readonly #at: number

  constructor (ms: number) {
    this.#at = performance.now() + ms
  }

  get leftMs (): number {
    return Math.max(0, this.#at - performance.now())
  }

  get isOver (): boolean {
    return this.leftMs === 0
  }

  /**
   * What the promise comes to, in time. A result that comes later is dropped, as is a late failure.
   *
   * @throws WSM_ERR_UNAVAILABLE when it is over
   */
  async race<T> (promise: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout
    const over = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(unavailable('it did not answer in time')), this.leftMs)
    })
    return Promise.race([promise, over]).finally(() => clearTimeout(timer))
  }
}

export function unavailable (reason: string, cause?: unknown): Error {
  return Object.assign(new UnavailableError(`Redis is not available: ${reason}`), { cause })
}
