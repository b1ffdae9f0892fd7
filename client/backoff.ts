const FIRST_MS = 500
const MOST_MS = 15_000

/** Delays between attempts: random between zero and a bound that doubles ("full jitter"), so that clients of a restarted server spread. */
export class Backoff {
  #failures = 0

  /** Milliseconds until the next attempt. */
  next (): number {
    return Math.random() * Math.min(MOST_MS, FIRST_MS * 2 ** ++this.#failures)
  }

  reset (): void {
    this.#failures = 0
  }
}
