import { TypeSystemPolicy } from '@sinclair/typebox/system'
import { cleanFields, type FieldRule } from './clean.js'
import type { Node } from './node.js'
import type { Clean, Fault, Part } from './part.js'
import type { Pattern } from './pattern.js'

/** Maximum length of a key that a pattern is matched against, in UTF-16 code units; a longer one does not match. */
export const MAX_KEY = 256

export interface RecordRules {
  minProperties?: number
  maxProperties?: number
  /** Keys that the schema applies to; null: all. */
  keys: Pattern | null
  values: Node
  /** Schema for the values of other keys; true: any value is kept; undefined: any value is accepted and removed. */
  others: Node | boolean | undefined
}

/** A record. A key that is too long for a pattern counts as one of the others. */
export class KeyedRecord implements Part {
  readonly clean: Clean | null
  readonly expects = 'object'
  readonly #rules: RecordRules

  constructor (rules: RecordRules) {
    this.#rules = rules
    this.clean = this.#cleaner()
  }

  check (value: unknown): boolean {
    if (!TypeSystemPolicy.IsRecordLike(value)) return false
    const { minProperties = 0, maxProperties = Infinity } = this.#rules
    const fields = Object.entries(value)
    return fields.length >= minProperties && fields.length <= maxProperties && fields.every(([key, field]) => isGood(this.#ruleOf(key), field))
  }

  * faults (value: unknown): Iterable<Fault> {
    if (!TypeSystemPolicy.IsRecordLike(value)) return yield { path: '', message: 'Expected object' }
    const { minProperties = 0, maxProperties = Infinity } = this.#rules
    const fields = Object.entries(value)
    if (fields.length < minProperties) yield { path: '', message: `Expected object to have at least ${minProperties} properties` }
    if (fields.length > maxProperties) yield { path: '', message: `Expected object to have no more than ${maxProperties} properties` }
    for (const [key, field] of fields) yield * this.#fieldFaults(key, field)
  }

  * #fieldFaults (key: string, value: unknown): Iterable<Fault> {
    const rule = this.#ruleOf(key)
    if (isGood(rule, value)) return
    // RFC 6901 section 3.
    const path = `/${key.replace(/~/g, '~0').replace(/\//g, '~1')}`
    if (typeof rule !== 'object') return yield { path, message: 'Unexpected property' }
    for (const fault of rule.faults(value)) yield { path: path + fault.path, message: fault.message }
  }

  #ruleOf (key: string): RecordRules['others'] {
    return this.#isKnown(key) ? this.#rules.values : this.#rules.others
  }

  #cleaner (): Clean | null {
    const { keys, values, others } = this.#rules
    const known = values.clean ?? 'keep'
    const other = others === undefined && keys !== null ? 'drop' : (typeof others === 'object' && others.clean) || 'keep'
    if (known === 'keep' && other === 'keep') return null
    const ruleOf = (key: string): FieldRule => this.#isKnown(key) ? known : other
    return (value) => cleanFields(value as Record<string, unknown>, ruleOf)
  }

  #isKnown (key: string): boolean {
    const { keys } = this.#rules
    return keys === null || (key.length <= MAX_KEY && keys.test(key))
  }
}

function isGood (rule: RecordRules['others'], value: unknown): boolean {
  return typeof rule === 'object' ? rule.check(value) : rule !== false
}
