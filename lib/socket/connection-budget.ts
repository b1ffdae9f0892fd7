import type { User } from '../user.js'
import type { Limits } from '../telemetry/limits.js'
import type { DetailedError } from '../wire-error.js'
import { RateBudget, type RateBudgets } from './rate-budgets.js'
import type { Rate } from './rate.js'

type BudgetLimits = Pick<Limits, 'messages' | 'bytes' | 'type_messages' | 'joins'>

/** Charges a socket's frames to its user, or to the socket itself while it is anonymous. */
export class ConnectionBudget {
  readonly #rateBudgets: RateBudgets
  readonly #limits: BudgetLimits
  #userId: string | null
  /** The socket's own budget, used while it is anonymous. Kept, so that becoming anonymous again does not renew it. */
  #own: RateBudget | null = null
  /** The one in use. */
  #current: RateBudget | null = null

  constructor (user: User | null, rateBudgets: RateBudgets, limits: BudgetLimits) {
    this.#userId = user?.id ?? null
    this.#rateBudgets = rateBudgets
    this.#limits = limits
  }

  become (user: User | null): void {
    this.#userId = user?.id ?? null
    this.#current = null
  }

  /**
   * Charges a frame. Returns null, or the error to answer with if the user is in debt. Hot: runs for every frame.
   *
   * @param now time of its arrival, on the clock of `performance.now()`
   */
  pace (bytes: number, now: number): DetailedError | null {
    const budget = this.#budget()
    const exceeded = this.#rateBudgets.take(budget, bytes, now)
    if (exceeded === null) return null
    return this.#limits[exceeded].refuse(this.#rateBudgets.waitMs(budget, now), 'frame')
  }

  /**
   * Charges a message to the rate of its type, in place of its frame.
   *
   * @throws WSM_ERR_RATE_LIMITED
   */
  paceType (type: string, rate: Rate): void {
    const waitMs = this.#rateBudgets.takeOfType(this.#budget(), type, rate, performance.now())
    if (waitMs > 0) throw this.#limits.type_messages.refuse(type, waitMs)
  }

  /** Charges the work that a frame causes beyond its own size. */
  charge (bytes: number): void {
    this.#rateBudgets.chargeBytes(this.#budget(), bytes, performance.now())
  }

  /**
   * Charges joins of channels.
   *
   * @throws WSM_ERR_RATE_LIMITED
   */
  chargeJoins (joins: number): void {
    if (joins === 0) return
    const waitMs = this.#rateBudgets.takeJoins(this.#budget(), joins, performance.now())
    if (waitMs > 0) throw this.#limits.joins.refuse(waitMs)
  }

  /** Hot: runs for every frame. */
  #budget (): RateBudget {
    if (this.#current === null || this.#current.isForgotten) {
      this.#current = this.#userId === null ? this.#own ??= new RateBudget() : this.#rateBudgets.of(this.#userId)
    }
    return this.#current
  }
}
