import type { Rejected } from '../../schemas/records.js'
import type { User } from '../user.js'
import { RateLimitedError } from '../errors.js'
import { typeRateLimited, withDetails } from '../wire-error.js'
import { Allowance, type Allowances } from './allowances.js'
import type { Rate } from './rate.js'

/** Charges a socket's frames to its user, or to the socket itself while it is anonymous. */
export class Account {
  readonly #allowances: Allowances
  readonly #refusals: Rejected
  #userId: string | null
  /** The socket's own allowance, used while it is anonymous. Kept, so that becoming anonymous again does not renew it. */
  #own: Allowance | null = null
  /** The one in use. */
  #current: Allowance | null = null

  /** @param refusals where refusals are counted */
  constructor (user: User | null, allowances: Allowances, refusals: Rejected) {
    this.#userId = user?.id ?? null
    this.#allowances = allowances
    this.#refusals = refusals
  }

  become (user: User | null): void {
    this.#userId = user?.id ?? null
    this.#current = null
  }

  /**
   * Charges a frame. Returns 0, or if the user is in debt the milliseconds until frames are accepted again.
   *
   * @param now when it arrived, on the clock of `performance.now()`
   */
  pace (bytes: number, now: number): number {
    const allowance = this.#allowance()
    const exceeded = this.#allowances.take(allowance, bytes, now)
    if (exceeded === null) return 0
    this.#refusals[exceeded]++
    return this.#allowances.waitMs(allowance, now)
  }

  /**
   * Charges a message to the rate of its type, in place of its frame.
   *
   * @throws WSM_ERR_RATE_LIMITED
   */
  paceType (type: string, rate: Rate): void {
    const waitMs = this.#allowances.takeOfType(this.#allowance(), type, rate, performance.now())
    if (waitMs === 0) return
    this.#refusals.type_messages++
    throw typeRateLimited(type, waitMs)
  }

  /** Charges what a frame causes beyond its own size. */
  charge (bytes: number): void {
    this.#allowances.chargeBytes(this.#allowance(), bytes, performance.now())
  }

  /**
   * Charges joins of channels.
   *
   * @throws WSM_ERR_RATE_LIMITED
   */
  chargeJoins (joins: number): void {
    if (joins === 0) return
    const waitMs = this.#allowances.takeJoins(this.#allowance(), joins, performance.now())
    if (waitMs === 0) return
    this.#refusals.joins++
    throw withDetails(new RateLimitedError('Too many channels joined in too short a time'), { retry_after_ms: waitMs })
  }

  /** Hot: runs for every frame. */
  #allowance (): Allowance {
    if (this.#current === null || this.#current.isForgotten) {
      this.#current = this.#userId === null ? this.#own ??= new Allowance() : this.#allowances.of(this.#userId)
    }
    return this.#current
  }
}
