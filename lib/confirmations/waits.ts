import type { ConfirmationRecord, Outcome } from '../../schemas/records.js'
import { WaitInterruptedError, withDetails } from '../errors.js'
import type { Endings } from './endings.js'

/** Time for the store to say how a question ended, before the wait for it is interrupted. */
const GRACE_MS = 400
/** A timer that is set for longer fires at once. */
const MAX_TIMER_MS = 2_147_483_647

/** A wait for the end of a question. It settles in time, whatever the store does. */
export class Wait {
  /** Rejects with WSM_ERR_WAIT_INTERRUPTED where the outcome cannot be known in time. */
  readonly promise: Promise<ConfirmationRecord>
  readonly #callbackId: string
  readonly #endings: Endings
  /** The question, once it is stored. */
  #record: ConfirmationRecord | null = null
  /** The end to store as soon as the question is. */
  #wanted: { outcome: Outcome, proceed: boolean } | null = null
  #isOver = false
  #deadline: NodeJS.Timeout | undefined
  #grace: NodeJS.Timeout | undefined
  #resolve!: (record: ConfirmationRecord) => void
  #reject!: (error: unknown) => void

  constructor (callbackId: string, endings: Endings) {
    this.#callbackId = callbackId
    this.#endings = endings
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // It may reject before the caller comes to await it.
    this.promise.catch(() => {})
  }

  /** The question is stored and can end. Returns false where it has ended or is about to: a client that is told of it now would show it for ever. */
  stored (record: ConfirmationRecord): boolean {
    this.#record = record
    if (this.#wanted !== null) this.#end(this.#wanted.outcome, this.#wanted.proceed)
    return this.#wanted === null && !this.#isOver
  }

  /**
   * Ends the question when its time is over.
   *
   * @param isStrict whether the wait is interrupted then where the store says that it is too early
   */
  expireIn (ms: number, proceed: boolean, isStrict: boolean): void {
    this.#deadline = setTimeout(async () => {
      const leftMs = await this.end('expired', proceed)
      if (leftMs === 0 || this.#isOver) return
      if (!isStrict) this.#endGrace()
      this.expireIn(leftMs, proceed, isStrict)
    }, Math.min(ms, MAX_TIMER_MS))
  }

  /** Ends the question, or at least the wait. Resolves to the milliseconds that it still has, where it is too early to expire. */
  async end (outcome: Outcome, proceed: boolean): Promise<number> {
    if (this.#isOver) return 0
    // One turn later: an answer that has arrived meanwhile may only not have been read yet.
    this.#grace ??= setTimeout(() => setImmediate(() => this.interrupt()), GRACE_MS)
    if (this.#record !== null) return this.#end(outcome, proceed)
    this.#wanted ??= { outcome, proceed }
    return 0
  }

  settle (record: ConfirmationRecord): void {
    this.stop()
    this.#resolve(record)
  }

  fail (error: unknown): void {
    this.stop()
    this.#reject(error)
  }

  /** Idempotent. */
  stop (): void {
    this.#isOver = true
    clearTimeout(this.#deadline)
    this.#endGrace()
  }

  /** The question goes on. */
  interrupt (): void {
    this.fail(withDetails(new WaitInterruptedError(this.#callbackId), { callback_id: this.#callbackId }))
  }

  async #end (outcome: Outcome, proceed: boolean): Promise<number> {
    const ending = await this.#endings.end(this.#callbackId, outcome, proceed)
    if (ending === 'failed') this.interrupt()
    // It may have been answered; without the record that is no consent.
    else if (ending === 'lost') this.settle({ ...this.#record!, status: outcome, proceed: false })
    else if (ending.leftMs > 0) return ending.leftMs
    else this.settle(ending.record)
    return 0
  }

  #endGrace (): void {
    clearTimeout(this.#grace)
    this.#grace = undefined
  }
}

/** The waits of this node. */
export class Waits {
  readonly #endings: Endings
  readonly #byId = new Map<string, Set<Wait>>()

  constructor (endings: Endings) {
    this.#endings = endings
  }

  /** Begins to wait. `stop` must be called in the end, whatever happened; calling it twice is harmless. */
  begin (callbackId: string): { wait: Wait, stop: () => void } {
    const wait = new Wait(callbackId, this.#endings)
    const waits = this.#byId.get(callbackId) ?? new Set()
    this.#byId.set(callbackId, waits.add(wait))
    return {
      wait,
      stop: () => {
        wait.stop()
        if (waits.delete(wait) && waits.size === 0) this.#byId.delete(callbackId)
      }
    }
  }

  settled (record: ConfirmationRecord): void {
    for (const wait of this.#byId.get(record.callback_id) ?? []) wait.settle(record)
  }

  /** Resolves when each question that somebody waits for, and that is stored, has ended. */
  async endAll (outcome: Outcome): Promise<void> {
    await Promise.all(this.#all().map((wait) => wait.end(outcome, false)))
  }

  interruptAll (): void {
    for (const wait of this.#all()) wait.interrupt()
  }

  get size (): number {
    return this.#byId.size
  }

  #all (): Wait[] {
    return [...this.#byId.values()].flatMap((waits) => [...waits])
  }
}
