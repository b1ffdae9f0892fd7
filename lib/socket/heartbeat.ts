import { closeCodes } from '../../schemas/codes.js'
import type { Registry } from './registry.js'
import { PeriodicCheck } from './periodic-check.js'

export interface HeartbeatOptions { intervalMs: number, timeoutMs: number }

/**
 * Pings every connection and closes those that stay silent. One timer serves all of them: each is pinged an interval after its
 * connect or last ping, so pings are as spread out as the connects were.
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
    // Not in the timer's own turn: after the event loop was blocked, pongs that arrived meanwhile are read first.
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
        // Pongs of a paused socket are not read, so it is only closed if the client itself reads nothing. It is still pinged, so
        // that TCP detects a client that is gone.
        if (liveness.awaitsPong && sinceMs >= timeoutMs && connection.isStuck) {
          connection.log.info('closing the socket: the client does not read')
          connection.close(closeCodes.timeout, 'Nothing was read')
        } else if (sinceMs >= Math.max(intervalMs, timeoutMs)) connection.ping()
      } else if (!liveness.awaitsPong) {
        if (sinceMs >= intervalMs) connection.ping()
      } else if (connection.heardAt > liveness.pingedAt) {
        // The pong is late, but other messages show that the client is alive.
        liveness.awaitsPong = false
      } else if (sinceMs >= timeoutMs) {
        connection.log.info('closing the socket: the client did not answer a ping in time')
        connection.close(closeCodes.timeout, 'No answer to a ping')
      }
    }
  }
}
