import type { Node } from './node.js'
import type { Fault, Part } from './part.js'

/** A value that exactly one of several schemas accepts (`oneOf`). */
export class OneOf implements Part {
  readonly #alternatives: readonly Node[]

  constructor (alternatives: readonly Node[]) {
    this.#alternatives = alternatives
  }

  readonly clean = (value: unknown): unknown => {
    const { clean } = this.#matching(value)[0]!
    return clean === null ? value : clean(value)
  }

  check (value: unknown): boolean {
    return this.#matching(value).length === 1
  }

  * faults (value: unknown): Iterable<Fault> {
    const { length } = this.#matching(value)
    if (length !== 1) yield { path: '', message: `Expected exactly one of ${this.#alternatives.length} alternatives to match, but ${length === 0 ? 'none does' : `${length} do`}` }
  }

  #matching (value: unknown): Node[] {
    return this.#alternatives.filter((node) => node.check(value))
  }
}
