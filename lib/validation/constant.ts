import { textOf } from './canonical-text.js'
import type { Fault, Part } from './part.js'

/** An object or array that is given as a whole, or one of several (`const`, `enum`). */
export class Constant implements Part {
  readonly clean = null
  readonly #values: readonly unknown[]
  readonly #texts: ReadonlySet<string>
  readonly #longest: number

  /** @param values as JSON holds them */
  constructor (values: readonly unknown[]) {
    this.#values = values
    this.#texts = new Set(values.map((value) => textOf(value, Infinity).text))
    this.#longest = Math.max(...Array.from(this.#texts, ({ length }) => length))
  }

  check (value: unknown): boolean {
    if (typeof value !== 'object' || value === null) return false
    if (this.#values.length === 1) return isSame(this.#values[0], value)
    // One look, however many constants there are.
    return this.#texts.has(textOf(value, this.#longest).text)
  }

  * faults (value: unknown): Iterable<Fault> {
    if (!this.check(value)) yield { path: '', message: this.#values.length === 1 ? 'Expected the constant of the schema' : 'Expected one of the constants of the schema' }
  }
}

/** Compares up to the first difference; the value's own fields are only counted where all of the constant's are the same. */
function isSame (constant: unknown, value: unknown): boolean {
  if (typeof constant !== 'object' || constant === null || typeof value !== 'object' || value === null) return constant === value
  if (Array.isArray(constant) !== Array.isArray(value)) return false
  if (Array.isArray(constant)) return constant.length === (value as unknown[]).length && constant.every((item, index) => isSame(item, (value as unknown[])[index]))
  const names = Object.keys(constant)
  return names.every((name) => Object.hasOwn(value, name) && isSame(fieldOf(constant, name), fieldOf(value, name))) && Object.keys(value).length === names.length
}

function fieldOf (fields: object, name: string): unknown {
  return (fields as Record<string, unknown>)[name]
}
