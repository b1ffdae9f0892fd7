import { together } from './clean.js'
import type { Node } from './node.js'
import type { Clean, Fault, Part } from './part.js'

/** A value of which one schema is asked where it matches another, or a third where it does not (`if`, `then`, `else`). */
export class Condition implements Part {
  readonly #test: Node
  readonly #then: Node | undefined
  readonly #else: Node | undefined

  constructor (test: Node, then: Node | undefined, otherwise: Node | undefined) {
    this.#test = test
    this.#then = then
    this.#else = otherwise
  }

  readonly clean: Clean = (value) => {
    const asked = this.#test.check(value) ? [this.#test, this.#then] : [this.#else]
    const cleaners = asked.filter((node) => node !== undefined).map(({ clean }) => clean)
    if (cleaners.includes(null)) return value
    return cleaners.length === 0 ? withoutFields(value) : together(cleaners as Clean[])(value)
  }

  check (value: unknown): boolean {
    return this.#asked(value)?.check(value) ?? true
  }

  * faults (value: unknown): Iterable<Fault> {
    // Without a schema to ask, no value fails.
    yield * this.#asked(value)!.faults(value)
  }

  #asked (value: unknown): Node | undefined {
    return this.#test.check(value) ? this.#then : this.#else
  }
}

/** Keeps no field, so that the schemas beside it decide. */
function withoutFields (value: unknown): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? {} : value
}
