import { closeCodes } from '../../schemas/codes.js'
import type { Registry } from './registry.js'
import { PeriodicCheck } from './periodic-check.js'

export interface HeartbeatOptions { intervalMs: number, timeoutMs: number }

/**
 * Pings every connection and closes those that stay silent. One timer for all of them: each is pinged an interval
 * after its last ping, the first after it connected, so the pings are as spread as the connects were.
 */
export class Heartbeat {
  readonly #registry: Registry
  readonly #options: HeartbeatOptions
  readonly #periodicCheck: PeriodicCheck
  #due: NodeJS.Immediate | null = null

  constructor (registry: Registry, options: HeartbeatOptions) {
    this.#registry = registry
    this.#options = options
    const { intervalMs, timeoutMs } = options
    const sweepMs = Math.max(5, Math.min(1_000, intervalMs / 4, timeoutMs / 4))
    // Not in the timer's own turn: when the process was held up, the answers that have come meanwhile are read first.
    this.#periodicCheck = new PeriodicCheck(registry, sweepMs, () => { this.#due = setImmediate(() => this.#sweep()) })
  }

  start (): void {
    this.#periodicCheck.start()
  }

  /** Idempotent. */
  stop (): void {
    this.#periodicCheck.stop()
    clearImmediate(this.#due!)
  }

  #sweep (): void {
    const now = performance.now()
    for (const connection of this.#registry.all()) {
      if (!connection.isOpen) continue
      const { liveness } = connection
      const sinceMs = now - liveness.pingedAt
      const { intervalMs, timeoutMs } = this.#options
      if (connection.inbox.isPaused) {
        // The answers of a socket that is paused are not read: only a client that reads nothing itself is cut. It is pinged all the
        // same, so that TCP finds out where the client is gone.
        if (liveness.awaitsPong && sinceMs >= timeoutMs && connection.isStuck) {
          connection.log.info('the client does not read')
          connection.close(closeCodes.timeout, 'Nothing was read')
        } else if (sinceMs >= Math.max(intervalMs, timeoutMs)) connection.ping()
      } else if (!liveness.awaitsPong) {
        if (sinceMs >= intervalMs) connection.ping()
      } else if (connection.heardAt > liveness.pingedAt) {
        // Its pong is late, but it is alive: messages count too.
        liveness.awaitsPong = false
      } else if (sinceMs >= timeoutMs) {
        connection.log.info('the client did not answer a ping in time')
        connection.close(closeCodes.timeout, 'No answer to a ping')
      }
    }
  }
}
