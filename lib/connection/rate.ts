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

  /** Milliseconds until something is taken again; 0 or less: now. */
  waitMs (dueAt: number, now: number): number {
    return dueAt - now - this.#slackMs
  }

  /**
   * When the next unit is due after `units` more. They need not fit into the burst: what is too large for it is taken
   * whole, and paid for by a longer wait.
   */
  charge (dueAt: number, now: number, units: number): number {
    return (dueAt > now ? dueAt : now) + units * this.#intervalMs
  }
}
