import type { Node } from './node.js'
import type { Clean, Fault, Part } from './part.js'

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
  return values.length < 2 || new Set(values.map(textOf)).size === values.length
}

/** Serializes equal values to the same text, whatever the order of their fields. */
export function textOf (value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? JSON.stringify(value) : `${typeof value} ${String(value)}`
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`
  if (value instanceof Date) return `date ${value.getTime()}`
  return `{${Object.entries(value).sort(byName).map(([name, field]) => `${JSON.stringify(name)}:${textOf(field)}`).join()}}`
}

function byName ([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}
