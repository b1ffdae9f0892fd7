import { ExpiringMap } from '../engine/expiring-map.js'
import { OutcomeUnknownError } from '../errors.js'
import type { Limits } from '../telemetry/limits.js'

/** Memory of a remembered call beside its outcome. Measured: 500 bytes in a process, and 330 to 760 in Redis. */
export const CALL_BYTES = 1_024

/** Bounds of the memory of calls that a node has begun. */
export interface CallBounds { maxRememberedBytes: number, maxRememberedBytesPerUser: number }

/** Accounts for the memory that calls with an idempotency key take, running and ended, per user and in all. */
export class RememberedCalls {
  readonly #bounds: CallBounds
  readonly #limit: Limits['remembered_calls']
  readonly #running = new Map<string, string>()
  readonly #ended: ExpiringMap<string, { userId: string, bytes: number }>
  readonly #ofUsers = new Map<string, number>()
  #bytes = 0

  constructor (bounds: CallBounds, limit: Limits['remembered_calls'], retentionMs: number) {
    this.#bounds = bounds
    this.#limit = limit
    this.#ended = new ExpiringMap(retentionMs, ({ userId, bytes }) => this.#add(userId, -bytes))
  }

  /**
   * Adds a running call.
   *
   * @throws WSM_ERR_OUTCOME_UNKNOWN if it was run here before; WSM_ERR_RATE_LIMITED, WSM_ERR_UNAVAILABLE when there are too many
   */
  begin (name: string, userId: string): void {
    if (this.#running.has(name) || this.#ended.get(name) !== undefined) throw new OutcomeUnknownError()
    const { maxRememberedBytes, maxRememberedBytesPerUser } = this.#bounds
    if ((this.#ofUsers.get(userId) ?? 0) + CALL_BYTES > maxRememberedBytesPerUser) throw this.#limit.refuse('user')
    if (this.#bytes + CALL_BYTES > maxRememberedBytes) throw this.#limit.refuse('node')
    this.#running.set(name, userId)
    this.#add(userId, CALL_BYTES)
  }

  /** Ends a running call. @param outcomeBytes size of its outcome; null: the call is forgotten */
  end (name: string, outcomeBytes: number | null): void {
    const userId = this.#running.get(name)!
    this.#running.delete(name)
    if (outcomeBytes === null) return this.#add(userId, -CALL_BYTES)
    this.#add(userId, outcomeBytes)
    this.#ended.set(name, { userId, bytes: CALL_BYTES + outcomeBytes })
  }

  close (): void {
    this.#running.clear()
    this.#ended.clear()
    this.#ofUsers.clear()
    this.#bytes = 0
  }

  #add (userId: string, bytes: number): void {
    this.#bytes += bytes
    const sum = (this.#ofUsers.get(userId) ?? 0) + bytes
    if (sum === 0) this.#ofUsers.delete(userId)
    else this.#ofUsers.set(userId, sum)
  }
}
