/** Time from accepting a connection within which its first request must begin to arrive, when the server closes. */
const FIRST_REQUEST_MS = 1_000
/** Time for which a connection between two requests is kept when the server closes: the next one may be under way. Less than two looks. */
const QUIET_MS = 300

/** Says until when a closing server waits. All times are of `performance.now()`. */
export class ClosingTime {
  /** When connections without a request began to be ended. */
  #windingUpAt = Infinity
  /** Until when requests may arrive; nothing bounds it before the end. */
  deadline = Infinity

  get isWindingUp (): boolean {
    return this.#windingUpAt < Infinity
  }

  get isOver (): boolean {
    return this.deadline < Infinity
  }

  /** Begins to end connections that are quiet. */
  windUp (now: number): void {
    this.#windingUpAt = Math.min(this.#windingUpAt, now)
  }

  /**
   * Begins to end everything that waits for a client.
   *
   * @param since when clients were told that the node closes
   * @param arrivalMs how long a request may go on arriving, from then on
   */
  over (now: number, since: number, arrivalMs: number): void {
    this.windUp(now)
    this.deadline = Math.max(since + arrivalMs, now + Math.min(arrivalMs, FIRST_REQUEST_MS))
  }

  /** Tells whether a connection is so new that its first request may still come. */
  isNew (acceptedAt: number, now: number): boolean {
    return now < acceptedAt + FIRST_REQUEST_MS
  }

  /** Tells whether a connection without a request is kept. `quietSince`: the end of its last answer; null before any request. */
  isKept (acceptedAt: number, quietSince: number | null, now: number): boolean {
    return (quietSince === null && this.isNew(acceptedAt, now)) || now < Math.max(this.#windingUpAt, quietSince ?? 0) + QUIET_MS
  }
}
