import type { FastifyBaseLogger } from 'fastify'
import { AvailabilityReason } from '../../../schemas/records.js'
import type { Availability } from '../engine.js'

/** Reporters of faults. */
type HealthSource = 'connection' | 'probe' | 'subscriptions'

const UNREACHABLE: Availability = { status: 'unavailable', reasons: ['unreachable'] }

/** Combines the faults reported by several sources into the node's availability, which is `unavailable` until the first report. */
export class Health {
  readonly #log: FastifyBaseLogger
  readonly #reported = new Map<HealthSource, readonly AvailabilityReason[]>([['connection', UNREACHABLE.reasons]])
  #current = UNREACHABLE
  #listener: (availability: Availability) => void = () => {}
  #hasWarned = false
  #isClosed = false

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  get current (): Availability {
    return this.#current
  }

  /** Sets the single listener for changes. */
  onChange (listener: (availability: Availability) => void): void {
    this.#listener = listener
  }

  /**
   * Replaces the previous report of this source.
   *
   * @param fault cause, for the log
   */
  report (source: HealthSource, reasons: readonly AvailabilityReason[], fault?: { text: string | null, error: unknown }): void {
    if (this.#isClosed) return
    this.#reported.set(source, reasons)
    const reported = new Set([...this.#reported.values()].flat())
    const all = AvailabilityReason.anyOf.map((reason) => reason.const).filter((reason) => reported.has(reason))
    if (all.join() === this.#current.reasons.join()) return
    const status = all.length === 0 ? 'ready' : all[0] === 'unreachable' ? 'unavailable' : 'degraded'
    this.#current = { status, reasons: all }
    if (status === 'ready') {
      if (this.#hasWarned) this.#log.info({ reasons: all }, 'Redis is fully available again')
    } else {
      this.#hasWarned = true
      const part = status === 'degraded' ? 'Redis is partly unavailable' : 'Redis is unavailable'
      this.#log.warn({ err: fault?.error, reasons: all }, `${part}: ${fault?.text ?? all.join(', ')}`)
    }
    this.#listener(this.#current)
  }

  /** Stops reporting changes. */
  close (): void {
    this.#isClosed = true
    this.#current = UNREACHABLE
  }
}
