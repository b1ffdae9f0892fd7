import { UnavailableError } from './errors.js'

/**
 * Waits for work that may never settle, such as the app's hooks. Each wait has a time-out, and closing the server ends all of
 * them, so no timer outlives it. Late results and failures are dropped.
 */
export class BoundedWaits {
  readonly #ends = new Set<() => void>()

  /**
   * Settles as the work does.
   *
   * @param late called on time-out; its return value or error becomes the outcome
   * @throws WSM_ERR_UNAVAILABLE if the server closes meanwhile
   */
  async wait<T, L> (work: Promise<T>, timeoutMs: number, late: () => L): Promise<T | L> {
    let timer: NodeJS.Timeout | undefined
    let end!: () => void
    const over = new Promise<() => L>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, late)
      end = () => resolve(closing)
    })
    this.#ends.add(end)
    try {
      return (await Promise.race([work.then((result) => () => result), over]))()
    } finally {
      clearTimeout(timer)
      this.#ends.delete(end)
    }
  }

  /** Ends all pending waits. */
  close (): void {
    for (const end of this.#ends) end()
  }
}

function closing (): never {
  throw new UnavailableError('The server is closing')
}
