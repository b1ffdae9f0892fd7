import type { Fault, Part } from './part.js'
import { textOf } from './unique-list.js'

/** An object or array that is given as a whole (`const`, `enum`). */
export class Constant implements Part {
  readonly clean = null
  readonly #text: string

  constructor (value: unknown) {
    this.#text = textOf(value)
  }

  check (value: unknown): boolean {
    return typeof value === 'object' && value !== null && textOf(value) === this.#text
  }

  * faults (value: unknown): Iterable<Fault> {
    if (!this.check(value)) yield { path: '', message: 'Expected the constant of the schema' }
  }
}
