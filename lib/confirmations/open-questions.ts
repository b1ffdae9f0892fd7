import { TooManyConfirmationsError } from '../errors.js'
import type { Counters } from '../telemetry/counters.js'

/** Counts the questions that this node waits for, by user, and refuses more than the limit. */
export class OpenQuestions {
  readonly #max: number
  readonly #counters: Counters
  readonly #byUser = new Map<string, number>()

  constructor (max: number, counters: Counters) {
    this.#max = max
    this.#counters = counters
  }

  /** Counts a question until `end`. @throws WSM_ERR_TOO_MANY_CONFIRMATIONS */
  begin (userId: string): void {
    const open = this.#byUser.get(userId) ?? 0
    if (open >= this.#max) {
      this.#counters.refusals.confirmations++
      throw new TooManyConfirmationsError(this.#max)
    }
    this.#byUser.set(userId, open + 1)
  }

  end (userId: string): void {
    const open = this.#byUser.get(userId)! - 1
    if (open === 0) this.#byUser.delete(userId)
    else this.#byUser.set(userId, open)
  }
}
