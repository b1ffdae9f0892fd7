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

/**
 * Runs something until it succeeds, with growing delays. Ends when the signal fires; a failure is reported after its delay, so that
 * one of a connection that is being lost is none.
 */
export async function retry (run: () => Promise<void>, signal: AbortSignal, fail: (error: unknown) => void): Promise<void> {
  for (const backoff = new Backoff(); !signal.aborted;) {
    try {
      return await run()
    } catch (error) {
      await new Promise((resolve) => { setTimeout(resolve, backoff.next()) })
      if (!signal.aborted) fail(error)
    }
  }
}
