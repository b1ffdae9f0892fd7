import type { Limits } from '../telemetry/limits.js'

/** Counts the questions that this node waits for, by user, and refuses more than the limit. */
export class OpenQuestions {
  readonly #max: number
  readonly #limit: Limits['confirmations']
  readonly #byUser = new Map<string, number>()

  constructor (max: number, limit: Limits['confirmations']) {
    this.#max = max
    this.#limit = limit
  }

  /** Counts a question until `end`. @throws WSM_ERR_TOO_MANY_CONFIRMATIONS */
  begin (userId: string): void {
    const open = this.#byUser.get(userId) ?? 0
    if (open >= this.#max) throw this.#limit.refuse(this.#max)
    this.#byUser.set(userId, open + 1)
  }

  end (userId: string): void {
    const open = this.#byUser.get(userId)! - 1
    if (open === 0) this.#byUser.delete(userId)
    else this.#byUser.set(userId, open)
  }
}
