import { cleanItems } from './clean.js'
import type { Node } from './node.js'
import type { Clean, Fault, Part } from './part.js'

export interface ListRules {
  /** Schemas of the first items. */
  first: readonly Node[]
  /** Schema of the others; true: any; false: there are none, as `maxItems` says. */
  others: Node | boolean
  minItems: number
  maxItems: number
}

/** An array whose first items have schemas of their own, and that can be shorter or longer (`prefixItems`). */
export class PrefixedList implements Part {
  readonly clean: Clean = (value) => cleanItems(value as unknown[], (index) => this.#ruleAt(index)?.clean ?? null)
  readonly expects = 'array'
  readonly #rules: ListRules

  constructor (rules: ListRules) {
    this.#rules = rules
  }

  check (value: unknown): boolean {
    return Array.isArray(value) && this.#lengthFault(value.length) === null && value.every((item, index) => this.#ruleAt(index)?.check(item) ?? true)
  }

  * faults (value: unknown): Iterable<Fault> {
    if (!Array.isArray(value)) return yield { path: '', message: 'Expected array' }
    const message = this.#lengthFault(value.length)
    if (message !== null) yield { path: '', message }
    for (const [index, item] of value.entries()) {
      for (const fault of this.#ruleAt(index)?.faults(item) ?? []) yield { path: `/${index}${fault.path}`, message: fault.message }
    }
  }

  #lengthFault (length: number): string | null {
    const { minItems, maxItems } = this.#rules
    if (length < minItems) return `Expected array length to be greater or equal to ${minItems}`
    return length > maxItems ? `Expected array length to be less or equal to ${maxItems}` : null
  }

  #ruleAt (index: number): Node | undefined {
    const { first, others } = this.#rules
    return first[index] ?? (typeof others === 'object' ? others : undefined)
  }
}
