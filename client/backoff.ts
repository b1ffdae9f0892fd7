const FIRST_MS = 500
const MOST_MS = 15_000

/** Milliseconds until the next attempt: random between zero and a bound that doubles ("full jitter"), so that clients of a restarted server spread. */
export type Backoff = () => number

export function createBackoff (): Backoff {
  let failures = 0
  return () => Math.random() * Math.min(MOST_MS, FIRST_MS * 2 ** ++failures)
}

/**
 * Runs something until it succeeds, with growing delays. Ends when the signal fires; a failure is reported after its delay, so that
 * one of a connection that is being lost is none.
 */
export async function retry (run: () => Promise<void>, signal: AbortSignal, fail: (error: unknown) => void): Promise<void> {
  for (const backoff = createBackoff(); !signal.aborted;) {
    try {
      return await run()
    } catch (error) {
      await new Promise((resolve) => { setTimeout(resolve, backoff()) })
      if (!signal.aborted) fail(error)
    }
  }
}
