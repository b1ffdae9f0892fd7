/**
 * Waits for work that may never settle, such as hooks of the app: each ends after its time, and all end when the server closes, so that
 * no timer outlives it. A result, or a failure, that comes later is dropped.
 */
export class BoundedWaits {
  readonly #ends = new Set<() => void>()

  /**
   * Resolves, or rejects, as the work does.
   *
   * @param late called when the time is over, or the server closes; what it returns or throws is the outcome then
   */
  async wait<T, L> (work: Promise<T>, timeoutMs: number, late: (isClosing: boolean) => L): Promise<T | L> {
    let timer: NodeJS.Timeout | undefined
    let end!: () => void
    const over = new Promise<() => L>((resolve) => {
      timer = setTimeout(() => resolve(() => late(false)), timeoutMs)
      end = () => resolve(() => late(true))
    })
    this.#ends.add(end)
    try {
      return (await Promise.race([work.then((result) => () => result), over]))()
    } finally {
      clearTimeout(timer)
      this.#ends.delete(end)
    }
  }

  /** Ends the waits that are under way. */
  close (): void {
    for (const end of this.#ends) end()
  }
}
