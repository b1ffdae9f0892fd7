import type { Node } from './node.js'
import type { Fault, Part } from './part.js'

/** An array of which a number of elements match a schema (`contains`). */
export class Contains implements Part {
  readonly clean = null
  readonly #element: Node
  readonly #least: number
  readonly #most: number

  constructor (element: Node, least: number, most: number) {
    this.#element = element
    this.#least = least
    this.#most = most
  }

  check (value: unknown): boolean {
    return Array.isArray(value) && this.#isRight(this.#count(value))
  }

  * faults (value: unknown): Iterable<Fault> {
    // Another kind of value is a fault of the array itself.
    if (!Array.isArray(value)) return
    const count = this.#count(value)
    if (count > this.#most) yield { path: '', message: `Expected array to contain no more than ${this.#most} matching values` }
    else if (!this.#isRight(count)) yield { path: '', message: this.#least === 1 ? 'Expected array to contain at least one matching value' : `Expected array to contain at least ${this.#least} matching values` }
  }

  #count (values: readonly unknown[]): number {
    return values.filter((value) => this.#element.check(value)).length
  }

  #isRight (count: number): boolean {
    return count >= this.#least && count <= this.#most
  }
}
