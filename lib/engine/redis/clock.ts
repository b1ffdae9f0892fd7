import type { FastifyBaseLogger } from 'fastify'
import { WRONG_MS, isOff } from '../clock.js'
import type { Clock } from '../engine.js'

/**
 * This node's estimate of Redis's clock: measured at intervals, and extrapolated by the monotonic clock. The node's wall clock
 * may be wrong, or change at any time.
 */
export class RedisClock implements Clock {
  readonly #log: FastifyBaseLogger
  /** Redis's time minus `performance.now()`. */
  #aheadMs = Date.now() - performance.now()
  /** Round trip of the measurement in use. */
  #tookMs = Infinity
  #isOff = false

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  now (): number {
    return Math.floor(performance.now() + this.#aheadMs)
  }

  get offsetMs (): number {
    return Math.round(Date.now() - performance.now() - this.#aheadMs)
  }

  /**
   * Takes a measurement into account. The fastest round trip is the most accurate. A slower one only sets bounds, since Redis may
   * have read its clock at any moment of it.
   *
   * @param time milliseconds since 1970
   * @param askedAt by `performance.now()`, as is `answeredAt`
   */
  measured (time: number, askedAt: number, answeredAt: number): void {
    const [least, most] = [time - answeredAt, time - askedAt]
    const tookMs = answeredAt - askedAt
    const isQuickest = tookMs <= this.#tookMs
    const aheadMs = isQuickest ? (least + most) / 2 : Math.min(most, Math.max(least, this.#aheadMs))
    if (isQuickest || aheadMs !== this.#aheadMs) this.#tookMs = tookMs
    this.#aheadMs = aheadMs
    this.#report()
  }

  /** Logs once when the node's clock becomes wrong, and once when it is right again. */
  #report (): void {
    const { offsetMs } = this
    if (!this.#isOff && isOff(this)) {
      this.#isOff = true
      this.#log.warn({ clock_offset_ms: offsetMs }, 'the clock of this node differs from that of Redis; using that of Redis')
    } else if (this.#isOff && Math.abs(offsetMs) < WRONG_MS / 2) {
      this.#isOff = false
      this.#log.info({ clock_offset_ms: offsetMs }, 'the clock of this node agrees with that of Redis again')
    }
  }
}
