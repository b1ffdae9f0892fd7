import { closeCodes } from '../../schemas/codes.js'
import type { Connection } from '../socket/connection.js'
import type { Registry } from '../socket/registry.js'
import { PeriodicCheck } from '../socket/periodic-check.js'
import type { Clock } from '../engine/engine.js'
import { encodeFrame } from '../socket/message.js'

/** How late a socket may be closed after its token has expired. */
const SWEEP_MS = 500

/** A socket does not outlive its token: its client is told in time to send a fresh one, and closed where it did not. */
export class TokenExpiry {
  readonly #registry: Registry
  readonly #noticeMs: number
  readonly #clock: Clock
  /** The expiry that a client was told of. */
  readonly #noticed = new WeakMap<Connection, number>()
  readonly #periodicCheck: PeriodicCheck

  /** @param noticeMs how long before the end a client is told */
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
        connection.log.info('the token of the client has expired')
        connection.expel(closeCodes.unauthorized, 'The token has expired')
      } else if (expiresAt - this.#noticeMs <= now && this.#noticed.get(connection) !== expiresAt) {
        this.#noticed.set(connection, expiresAt)
        connection.send(encodeFrame({ type: 'token_expiring', expires_at: expiresAt }))
      }
    }
  }
}
