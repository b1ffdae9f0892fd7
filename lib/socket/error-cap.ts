const WINDOW_MS = 60_000

/** Counts one connection's errors, or refused frames, within the last minute. */
export class ErrorCap {
  readonly #max: number
  // Times of the latest errors; created with the first one, since most connections never have any.
  #times: number[] | null = null

  /** @param max number of errors within a minute at which the maximum is reached */
  constructor (max: number) {
    this.#max = max
  }

  /** Counts an error. Returns whether the maximum is reached. */
  hit (now = performance.now()): boolean {
    const times = this.#times ??= []
    times.push(now)
    if (times.length > this.#max) times.shift()
    return times.length === this.#max && now - times[0]! < WINDOW_MS
  }
}
