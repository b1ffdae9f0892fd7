import type { ConfirmationRecord } from '../../../schemas/records.js'

/** Bounds of what is kept: number of ends, and bytes of JSON. */
const MAX_ENDS = 10_000
const MAX_BYTES = 33_554_432

/** The ends of questions that a node has heard of, to write them back where Redis loses them. The oldest are evicted first. */
export class KnownEnds {
  readonly #retainMs: number
  /** By the question's id, as the stream of ends has them; `goneAt` on the clock of `performance.now()`. */
  readonly #ends = new Map<string, { json: string, createdAt: number, goneAt: number, isTold: boolean }>()
  #bytes = 0
  /** When the latest question was asked whose end is not known any more. */
  forgottenUntil = 0

  /** @param retainMs how long an ended question is kept */
  constructor (retainMs: number) {
    this.#retainMs = retainMs
  }

  /** Returns true once the listeners of this node were told of the end. */
  isTold (id: string): boolean {
    return this.#ends.get(id)?.isTold === true
  }

  /**
   * Keeps an end; telling it twice, or adding it again, is harmless.
   */
  add ({ callback_id: id, created_at: createdAt }: Pick<ConfirmationRecord, 'callback_id' | 'created_at'>, json: string, isTold: boolean): void {
    const now = performance.now()
    const known = this.#ends.get(id)
    if (known !== undefined) {
      known.isTold ||= isTold
      return
    }
    this.#ends.set(id, { json, createdAt, goneAt: now + this.#retainMs, isTold })
    this.#bytes += json.length
    for (const [oldest, { goneAt }] of this.#ends) {
      if (goneAt > now && this.#ends.size <= MAX_ENDS && this.#bytes <= MAX_BYTES) break
      this.#delete(oldest)
    }
  }

  get (id: string): string | null {
    return this.#ends.get(id)?.json ?? null
  }

  /** @param ageMs how long ago they were heard of at most */
  * values (ageMs = Infinity): IterableIterator<string> {
    const now = performance.now()
    for (const { json, goneAt } of this.#ends.values()) if (goneAt > now && goneAt - this.#retainMs > now - ageMs) yield json
  }

  #delete (id: string): void {
    const { json, createdAt } = this.#ends.get(id)!
    this.#bytes -= json.length
    this.forgottenUntil = Math.max(this.forgottenUntil, createdAt)
    this.#ends.delete(id)
  }
}
