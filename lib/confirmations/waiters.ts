interface Waiter<T> { resolve: (value: T) => void }

/** Code that waits for something with a name to end. */
export class Waiters<T> {
  readonly #byKey = new Map<string, Set<Waiter<T>>>()

  /**
   * Begins to wait. The promise resolves with what `settle` is called with, or rejects with the signal's reason.
   * `stop` must be called in the end, whatever happened; calling it twice is harmless.
   */
  start (key: string, signal?: AbortSignal): { promise: Promise<T>, stop: () => void } {
    let stop!: () => void
    const promise = new Promise<T>((resolve, reject) => {
      const waiter = { resolve }
      const waiters = this.#byKey.get(key) ?? new Set()
      this.#byKey.set(key, waiters.add(waiter))
      const abort = () => reject(signal!.reason)
      signal?.addEventListener('abort', abort, { once: true })
      if (signal?.aborted === true) abort()
      stop = () => {
        signal?.removeEventListener('abort', abort)
        if (waiters.delete(waiter) && waiters.size === 0) this.#byKey.delete(key)
      }
    })
    // It may reject before the caller comes to await it.
    promise.catch(() => {})
    return { promise, stop }
  }

  settle (key: string, value: T): void {
    for (const { resolve } of this.#byKey.get(key) ?? []) resolve(value)
  }

  get size (): number {
    return this.#byKey.size
  }
}
