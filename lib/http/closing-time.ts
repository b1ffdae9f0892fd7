/** Time after accepting a connection within which its first request must begin to arrive while the server closes. */
const FIRST_REQUEST_MS = 1_000
/** Time for which an idle keep-alive connection is kept while the server closes: its next request may be on the way. Less than two checks. */
const QUIET_MS = 300

/** Computes how long a closing server waits. All times are of `performance.now()`. */
export class ClosingTime {
  /** Time at which the end of idle connections began. */
  #windingUpAt = Infinity
  /** Deadline for arriving requests; unlimited before the end. */
  deadline = Infinity

  get isWindingUp (): boolean {
    return this.#windingUpAt < Infinity
  }

  get isOver (): boolean {
    return this.deadline < Infinity
  }

  /** Begins to end idle connections. */
  windUp (now: number): void {
    this.#windingUpAt = Math.min(this.#windingUpAt, now)
  }

  /**
   * Begins to end everything that waits for a client.
   *
   * @param since time at which clients were told that the node closes
   * @param arrivalMs time from then on for a request to finish arriving
   */
  setDeadline (now: number, since: number, arrivalMs: number): void {
    this.windUp(now)
    this.deadline = Math.max(since + arrivalMs, now + Math.min(arrivalMs, FIRST_REQUEST_MS))
  }

  /** Returns true while a new connection may still send its first request. */
  isNew (acceptedAt: number, now: number): boolean {
    return now < acceptedAt + FIRST_REQUEST_MS
  }

  /** Returns true if an idle connection is kept. `quietSince`: end of its last response; null before any request. */
  isKept (acceptedAt: number, quietSince: number | null, now: number): boolean {
    return (quietSince === null && this.isNew(acceptedAt, now)) || now < Math.max(this.#windingUpAt, quietSince ?? 0) + QUIET_MS
  }
}
