import type { SocketLimits } from './options.js'
import { Rate } from './rate.js'

/** Interval at which budgets that are no longer in debt are removed. */
const SWEEP_MS = 5_000
/** Bytes charged for a refused message of a type with a rate of its own, so that a flood of tiny ones is bounded, too. */
const REFUSED_BYTES = 256
/** Maximum number of users tracked; the oldest is evicted. */
const MAX_USERS = 100_000

/** Usage of one user's sockets, or of anonymous calls from one address: when the next frame, byte and join are due, on the clock of `performance.now()`. */
export class RateBudget {
  frameDueAt = 0
  byteDueAt = 0
  joinDueAt = 0
  /** By type, for those that have a rate of their own. Made with the first such message. */
  byType: Map<string, number> | null = null
  /** Set when this is evicted: its holders must look up the user's budget again. */
  isForgotten = false
}

/** The rate that a frame exceeds. */
export type Exceeded = 'messages' | 'bytes'

/**
 * Limits the rates of all sockets of a user together. A budget is removed once it is no longer in debt, since it then equals a new
 * one: reconnecting gains nothing, and users who have left take no memory.
 */
export class RateBudgets {
  readonly #frames: Rate
  readonly #bytes: Rate
  readonly #joins: Rate
  readonly #byHolder = new Map<string, RateBudget>()
  #timer: NodeJS.Timeout | null = null
  #isClosed = false

  constructor (limits: Pick<SocketLimits, 'messagesPerSecond' | 'burst' | 'bytesPerSecond' | 'burstBytes' | 'joinsPerSecond' | 'joinsBurst'>) {
    this.#frames = new Rate(limits.messagesPerSecond, limits.burst)
    this.#bytes = new Rate(limits.bytesPerSecond, limits.burstBytes)
    this.#joins = new Rate(limits.joinsPerSecond, limits.joinsBurst)
  }

  /** Number of users tracked. */
  get size (): number {
    return this.#byHolder.size
  }

  of (userId: string): RateBudget {
    return this.#of(`user:${userId}`)
  }

  /** Returns the budget of anonymous calls from an address; without an address each call gets its own. */
  ofNobody (network: string | null): RateBudget {
    return network === null ? new RateBudget() : this.#of(`network:${network}`)
  }

  /** Charges a frame of any size, unless the user is in debt. Hot: runs for every frame. */
  take (budget: RateBudget, bytes: number, now: number): Exceeded | null {
    const { frameDueAt, byteDueAt } = budget
    if (this.#frames.waitMs(frameDueAt, now) > 0) return 'messages'
    if (this.#bytes.waitMs(byteDueAt, now) > 0) return 'bytes'
    budget.frameDueAt = this.#frames.charge(frameDueAt, now, 1)
    budget.byteDueAt = this.#bytes.charge(byteDueAt, now, bytes)
    return null
  }

  /** Returns the milliseconds until frames are accepted again, after one was refused. */
  waitMs ({ frameDueAt, byteDueAt }: RateBudget, now: number): number {
    return Math.ceil(Math.max(this.#frames.waitMs(frameDueAt, now), this.#bytes.waitMs(byteDueAt, now)))
  }

  /**
   * Charges a message to the rate of its type, unless the user is in debt there, in place of the frame that was charged already.
   * Returns 0, or the milliseconds until messages of the type are accepted again.
   */
  takeOfType (budget: RateBudget, type: string, rate: Rate, now: number): number {
    budget.frameDueAt = this.#frames.charge(budget.frameDueAt, now, -1)
    const dueAt = budget.byType?.get(type) ?? 0
    const waitMs = rate.waitMs(dueAt, now)
    if (waitMs > 0) {
      this.chargeBytes(budget, REFUSED_BYTES, now)
      return Math.ceil(waitMs)
    }
    (budget.byType ??= new Map()).set(type, rate.charge(dueAt, now, 1))
    return 0
  }

  /** Charges the work that a frame causes beyond its own size. */
  chargeBytes (budget: RateBudget, bytes: number, now: number): void {
    budget.byteDueAt = this.#bytes.charge(budget.byteDueAt, now, bytes)
  }

  /** Charges joins, unless the user is in debt. Returns 0, or the milliseconds until joins are accepted again. */
  takeJoins (budget: RateBudget, joins: number, now: number): number {
    const waitMs = this.#joins.waitMs(budget.joinDueAt, now)
    if (waitMs > 0) return Math.ceil(waitMs)
    budget.joinDueAt = this.#joins.charge(budget.joinDueAt, now, joins)
    return 0
  }

  /** Stops the removal of budgets. */
  close (): void {
    this.#isClosed = true
    clearInterval(this.#timer!)
  }

  #of (holder: string): RateBudget {
    let budget = this.#byHolder.get(holder)
    if (budget !== undefined) return budget
    if (this.#byHolder.size >= MAX_USERS) this.#forget(...this.#byHolder.entries().next().value!)
    budget = new RateBudget()
    this.#byHolder.set(holder, budget)
    // Expiry must not keep the process alive.
    if (!this.#isClosed) this.#timer ??= setInterval(() => this.#sweep(performance.now()), SWEEP_MS).unref()
    return budget
  }

  #sweep (now: number): void {
    for (const [holder, budget] of this.#byHolder) {
      const { frameDueAt, byteDueAt, joinDueAt, byType } = budget
      if (Math.max(frameDueAt, byteDueAt, joinDueAt, ...byType?.values() ?? []) <= now) this.#forget(holder, budget)
    }
    if (this.#byHolder.size > 0) return
    clearInterval(this.#timer!)
    this.#timer = null
  }

  #forget (holder: string, budget: RateBudget): void {
    this.#byHolder.delete(holder)
    budget.isForgotten = true
  }
}
