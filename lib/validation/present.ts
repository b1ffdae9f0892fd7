import type { Node } from './node.js'
import type { Clean, Fault, Part } from './part.js'

/** A field that is there. */
export class Present implements Part {
  readonly #node: Node

  constructor (node: Node) {
    this.#node = node
  }

  get clean (): Clean | null {
    return this.#node.clean
  }

  check (value: unknown): boolean {
    return value !== undefined && this.#node.check(value)
  }

  /** The object itself reports that the field is missing. */
  faults (value: unknown): Iterable<Fault> {
    return this.#node.faults(value)
  }
}
