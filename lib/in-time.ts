const LATE = Symbol('late')

/**
 * Gives work a time-out. A result, or a failure, that comes later is dropped.
 *
 * @param late called when the time is over; what it returns or throws is the outcome then
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
