import { closeCodes } from '../../schemas/codes.js'
import type { Connection } from '../socket/connection.js'
import type { Registry } from '../socket/registry.js'
import { PeriodicCheck } from '../socket/periodic-check.js'
import type { Clock } from '../engine/engine.js'
import { encodeFrame } from '../socket/message.js'

/** Interval of the checks: maximum delay between a token's expiry and the closing of its socket. */
const SWEEP_MS = 500

/** Closes sockets when their token expires, after a notice that gives the client time to send a fresh one. */
export class TokenExpiry {
  readonly #registry: Registry
  readonly #noticeMs: number
  readonly #clock: Clock
  /** The expiry for which each client was last notified. */
  readonly #noticed = new WeakMap<Connection, number>()
  readonly #periodicCheck: PeriodicCheck

  /** @param noticeMs time before the expiry at which the client is notified */
  constructor (registry: Registry, noticeMs: number, clock: Clock) {
    this.#registry = registry
    this.#noticeMs = noticeMs
    this.#clock = clock
    this.#periodicCheck = new PeriodicCheck(registry, SWEEP_MS, () => this.#sweep())
  }

  start (): void {
    this.#periodicCheck.start()
  }

  /** Idempotent. */
  stop (): void {
    this.#periodicCheck.stop()
  }

  #sweep (): void {
    const now = this.#clock.now()
    for (const connection of this.#registry.all()) {
      if (!connection.isOpen || !connection.isAdmitted) continue
      const expiresAt = connection.user?.expiresAt ?? Infinity
      if (expiresAt <= now) {
        connection.log.info('closing the socket: its token has expired')
        connection.expel(closeCodes.unauthorized, 'The token has expired')
      } else if (expiresAt - this.#noticeMs <= now && this.#noticed.get(connection) !== expiresAt) {
        this.#noticed.set(connection, expiresAt)
        connection.send(encodeFrame({ type: 'token_expiring', expires_at: expiresAt }))
      }
    }
  }
}
