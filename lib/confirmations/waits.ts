import type { ConfirmationRecord, ConfirmationOutcome } from '../../schemas/records.js'
import { WaitInterruptedError } from '../errors.js'
import { withDetails } from '../wire-error.js'
import type { Endings } from './endings.js'

/** Time for the store to say how a question ended, before the wait for it is interrupted. */
const GRACE_MS = 400
/** A timer that is set for longer fires at once. */
const MAX_TIMER_MS = 2_147_483_647

/**
 * A wait for the end of one question. It is over exactly once: by `settle` with the record of the end, by `fail`, or by `stop` when the
 * caller leaves. It settles in time, whatever the store does.
 */
export class Wait {
  /** Rejects with WSM_ERR_WAIT_INTERRUPTED where the outcome cannot be known in time. */
  readonly promise: Promise<ConfirmationRecord>
  readonly #callbackId: string
  readonly #endings: Endings
  readonly #onOver: () => void
  /** The question, once it is stored. */
  #record: ConfirmationRecord | null = null
  /** The end to store as soon as the question is. */
  #wanted: { outcome: ConfirmationOutcome, proceed: boolean } | null = null
  #isOver = false
  #deadline: NodeJS.Timeout | undefined
  #grace: NodeJS.Timeout | undefined
  #resolve!: (record: ConfirmationRecord) => void
  #reject!: (error: unknown) => void

  /** @param onOver called once, when the wait is over */
  constructor (callbackId: string, endings: Endings, onOver: () => void) {
    this.#callbackId = callbackId
    this.#endings = endings
    this.#onOver = onOver
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // It may reject before the caller comes to await it.
    this.promise.catch(() => {})
  }

  /** Notes that the question is stored and can end. Returns false where it has ended or is about to: a client that receives it now would show it for ever. */
  stored (record: ConfirmationRecord): boolean {
    this.#record = record
    if (this.#wanted !== null) this.#end(this.#wanted.outcome, this.#wanted.proceed)
    return this.#wanted === null && !this.#isOver
  }

  /**
   * Ends the question at its deadline.
   *
   * @param isStrict whether the wait is interrupted where the store says that the deadline has not passed
   */
  expireIn (ms: number, proceed: boolean, isStrict: boolean): void {
    this.#deadline = setTimeout(async () => {
      const leftMs = await this.end('expired', proceed)
      if (leftMs === 0 || this.#isOver) return
      if (!isStrict) this.#endGrace()
      this.expireIn(leftMs, proceed, isStrict)
    }, Math.min(ms, MAX_TIMER_MS))
  }

  /** Ends the question, or at least the wait. Resolves to the milliseconds left where it is too early to expire; else 0. */
  async end (outcome: ConfirmationOutcome, proceed: boolean): Promise<number> {
    if (this.#isOver) return 0
    // One turn later, so that an answer that has arrived is read first.
    this.#grace ??= setTimeout(() => setImmediate(() => this.interrupt()), GRACE_MS)
    if (this.#record !== null) return this.#end(outcome, proceed)
    this.#wanted ??= { outcome, proceed }
    return 0
  }

  /** The question has ended, on whichever node. */
  settle (record: ConfirmationRecord): void {
    this.stop()
    this.#resolve(record)
  }

  fail (error: unknown): void {
    this.stop()
    this.#reject(error)
  }

  /** Leaves the question alone, and must be called in the end. Idempotent. */
  stop (): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#deadline)
    this.#endGrace()
    this.#onOver()
  }

  /** Fails the wait; the question goes on. */
  interrupt (): void {
    this.fail(withDetails(new WaitInterruptedError(this.#callbackId), { callback_id: this.#callbackId }))
  }

  async #end (outcome: ConfirmationOutcome, proceed: boolean): Promise<number> {
    const ending = await this.#endings.end(this.#callbackId, outcome, proceed)
    if (ending === 'failed') this.interrupt()
    // It may have been answered, but without the record that is no consent.
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

  /** Begins to wait. The caller calls `stop` in the end, whatever happened. */
  begin (callbackId: string): Wait {
    const waits = this.#byId.get(callbackId) ?? new Set()
    const wait = new Wait(callbackId, this.#endings, () => {
      waits.delete(wait)
      if (waits.size === 0) this.#byId.delete(callbackId)
    })
    this.#byId.set(callbackId, waits.add(wait))
    return wait
  }

  /** A question has ended, on whichever node. */
  settled (record: ConfirmationRecord): void {
    for (const wait of this.#byId.get(record.callback_id) ?? []) wait.settle(record)
  }

  /** Ends every stored question that this node waits for; resolves when that is done. */
  async endAll (outcome: ConfirmationOutcome): Promise<void> {
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
