const LATE = Symbol('late')

/**
 * Applies a time-out to work. Late results and failures are dropped.
 *
 * @param late called on time-out; its return value or error becomes the outcome
 */
export async function inTime<T, L> (work: Promise<T>, timeoutMs: number, late: () => L): Promise<T | L> {
  let timer: NodeJS.Timeout
  const over = new Promise<typeof LATE>((resolve) => { timer = setTimeout(resolve, timeoutMs, LATE) })
  try {
    const first = await Promise.race([work, over])
    return first === LATE ? late() : first
  } finally {
    clearTimeout(timer!)
  }
}
