import { textOf } from './canonical-text.js'
import type { Node } from './node.js'
import type { Clean, Fault, Part } from './part.js'

const FIRST_CHARACTERS = 64

/**
 * An array with distinct elements (`uniqueItems`). TypeBox hashes elements byte by byte with BigInt, which takes 65 ms for an
 * array of 64 KiB, and doubles with each level of nesting.
 */
export class UniqueList implements Part {
  readonly clean: Clean | null
  readonly expects = 'array'
  readonly #list: Node

  /** @param list the same array without this condition */
  constructor (list: Node) {
    this.#list = list
    this.clean = list.clean
  }

  check (value: unknown): boolean {
    return this.#list.check(value) && areUnique(value as unknown[])
  }

  * faults (value: unknown): Iterable<Fault> {
    yield * this.#list.faults(value)
    if (Array.isArray(value) && !areUnique(value)) yield { path: '', message: 'Expected array elements to be unique' }
  }
}

function areUnique (values: readonly unknown[]): boolean {
  const scalars = values.filter((value) => typeof value !== 'object' || value === null)
  return new Set(scalars).size === scalars.length && differ(values.filter((value) => typeof value === 'object' && value !== null), FIRST_CHARACTERS)
}

/** Compares objects and arrays by the start of their texts, and those with the same start by more: a nested list is not serialized at each level. */
function differ (values: readonly unknown[], characters: number): boolean {
  if (values.length < 2) return true
  const byStart = new Map<string, unknown[]>()
  for (const value of values) {
    const { text, isCut } = textOf(value, characters)
    const same = byStart.get(text)
    if (same === undefined) byStart.set(text, [value])
    else if (isCut) same.push(value)
    else return false
  }
  return [...byStart.values()].every((same) => differ(same, characters * 4))
}
