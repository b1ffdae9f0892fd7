import type { ConfirmationRecord } from '../../../schemas/records.js'

/** Limits: number of ends, and bytes of JSON. */
const MAX_ENDS = 10_000
const MAX_BYTES = 33_554_432

/** Ends of questions known to a node, for writing them back if Redis loses them. The oldest are evicted first. */
export class KnownEnds {
  readonly #retainMs: number
  /** By question id, as entries of the stream of ended questions; `goneAt` by `performance.now()`. */
  readonly #ends = new Map<string, { json: string, createdAt: number, goneAt: number, isTold: boolean }>()
  #bytes = 0
  /** Creation time of the latest question whose end was evicted. */
  forgottenUntil = 0

  /** @param retainMs retention of ended questions */
  constructor (retainMs: number) {
    this.#retainMs = retainMs
  }

  /** Returns true if the end was reported to this node's listener. */
  isTold (id: string): boolean {
    return this.#ends.get(id)?.isTold === true
  }

  /** Keeps an end. Adding it again changes nothing, except that it can then count as reported. */
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

  /** @param ageMs maximum age since it was received */
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
