/**
 * A token bucket stored as one point in time (GCRA, ITU-T I.371): when the next unit is due if all were spread evenly. Hot: one
 * comparison and one addition per frame, no timer.
 */
export class Rate {
  readonly #intervalMs: number
  readonly #slackMs: number

  /**
   * @param perSecond units a second in the long run; 0: any number
   * @param burst units at once
   */
  constructor (perSecond: number, burst: number) {
    this.#intervalMs = perSecond === 0 ? 0 : 1000 / perSecond
    this.#slackMs = this.#intervalMs * (burst - 1)
  }

  /** Returns the milliseconds until units are accepted again; 0 or less: now. */
  waitMs (dueAt: number, now: number): number {
    return dueAt - now - this.#slackMs
  }

  /**
   * Returns when the next unit is due after `units` more. More units than the burst are accepted, too, and paid for by a longer
   * wait.
   */
  charge (dueAt: number, now: number, units: number): number {
    return (dueAt > now ? dueAt : now) + units * this.#intervalMs
  }
}
