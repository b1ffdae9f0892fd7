/** A socket's place in the flow of its frames, both on the clock of `performance.now()`. */
export interface Paced {
  /** When the frame arrived. */
  heardAt: number
  /** When the next frame would be due, were they spread evenly. */
  dueAt: number
}

/**
 * Bounds the frames of each socket: a token bucket kept as one point in time (GCRA, as in ITU-T I.371). Hot: a
 * comparison and an addition a frame, without a timer and without reading the clock.
 */
export class MessageRate {
  readonly #intervalMs: number
  readonly #slackMs: number

  /**
   * @param perSecond how many frames a second in the long run; 0: any number
   * @param burst how many at once
   */
  constructor (perSecond: number, burst: number) {
    this.#intervalMs = perSecond === 0 ? 0 : 1000 / perSecond
    this.#slackMs = this.#intervalMs * (burst - 1)
  }

  /** Counts a frame. False: it is one too many, and does not count. */
  take (socket: Paced): boolean {
    const { heardAt: now, dueAt } = socket
    const at = dueAt > now ? dueAt : now
    if (at - now > this.#slackMs) return false
    socket.dueAt = at + this.#intervalMs
    return true
  }

  /** In how many milliseconds a frame is taken again, after one was not. */
  waitMs ({ heardAt, dueAt }: Paced): number {
    return Math.ceil(dueAt - heardAt - this.#slackMs)
  }
}
