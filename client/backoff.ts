const FIRST_MS = 500
const MOST_MS = 15_000
/** A timer with a longer delay would run at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** Milliseconds until the next attempt: random up to a bound that doubles ("full jitter"), so that the clients of a restarted server spread out. */
export type Backoff = () => number

export function createBackoff (): Backoff {
  let failures = 0
  return () => Math.random() * Math.min(MOST_MS, FIRST_MS * 2 ** ++failures)
}

/**
 * Runs a function until it succeeds, with growing delays, or until the signal fires. A failure is reported after the delay: the end of a
 * connection makes requests fail shortly before it fires the signal, and those failures are of no interest.
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
