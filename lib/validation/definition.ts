import type { Node } from './node.js'
import type { Clean, Fault, Part } from './part.js'

/**
 * A named, possibly recursive part of a schema. Each value is checked, cleaned and reported once, however it is reached:
 * otherwise union and intersection members that look at the same fields would double the work at each level.
 */
export class Definition implements Part {
  /** Set once the schema that contains it is complete. */
  node!: Node
  readonly #verdicts = new Map<unknown, boolean>()
  readonly #cleaned = new Map<unknown, unknown>()
  readonly #reported = new Set<unknown>()

  check (value: unknown): boolean {
    let verdict = this.#verdicts.get(value)
    if (verdict === undefined) {
      verdict = this.node.check(value)
      this.#verdicts.set(value, verdict)
    }
    return verdict
  }

  * faults (value: unknown): Iterable<Fault> {
    // Only objects and arrays can be reached again by another path.
    if (typeof value === 'object' && this.#reported.has(value)) return
    this.#reported.add(value)
    yield * this.node.faults(value)
  }

  // Not known before the definition is complete whether there is anything to remove.
  readonly clean: Clean = (value) => {
    const { clean } = this.node
    if (clean === null) return value
    if (!this.#cleaned.has(value)) this.#cleaned.set(value, clean(value))
    return this.#cleaned.get(value)
  }

  /** Resets the cache: the next message can hold the same objects with other fields. */
  forget (): void {
    this.#verdicts.clear()
    this.#cleaned.clear()
    this.#reported.clear()
  }
}
