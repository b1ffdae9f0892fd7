import { TypeSystemPolicy } from '@sinclair/typebox/system'
import { cleanFields, together, type FieldRule } from './clean.js'
import type { Node } from './node.js'
import type { Clean, Fault, Part } from './part.js'
import type { Pattern } from './pattern.js'

/** Maximum length of a key that a pattern is matched against, in UTF-16 code units; a longer one does not match. */
export const MAX_KEY = 256

export interface RecordRules {
  minProperties?: number
  maxProperties?: number
  /** Schemas of single fields, by name. */
  fields?: ReadonlyMap<string, Node>
  required?: readonly string[]
  /** Schemas of all fields whose keys match; null: of every field. */
  patterns: ReadonlyArray<{ keys: Pattern | null, values: Node }>
  /** Fields that are accepted and kept in any case, and do not count. */
  exempt?: readonly string[]
  /** Schema for the values of other keys; true: any value is kept; undefined: any value is accepted and removed. */
  others: Node | boolean | undefined
}

/** An object with rules for keys by pattern. A key that is too long for a pattern counts as one of the others. */
export class KeyedRecord implements Part {
  readonly clean: Clean | null
  readonly expects = 'object'
  readonly #rules: RecordRules

  constructor (rules: RecordRules) {
    this.#rules = rules
    this.clean = this.#removesNothing() ? null : (value) => cleanFields(value as Record<string, unknown>, (key) => this.#cleanRuleOf(key))
  }

  check (value: unknown): boolean {
    if (!TypeSystemPolicy.IsRecordLike(value)) return false
    const { minProperties = 0, maxProperties = Infinity, required = [] } = this.#rules
    const fields = this.#fieldsOf(value)
    return fields.length >= minProperties && fields.length <= maxProperties && required.every((name) => Object.hasOwn(value, name)) &&
      fields.every(([key, field]) => this.#rulesOf(key).every((rule) => isGood(rule, field)))
  }

  * faults (value: unknown): Iterable<Fault> {
    if (!TypeSystemPolicy.IsRecordLike(value)) return yield { path: '', message: 'Expected object' }
    const { minProperties = 0, maxProperties = Infinity, required = [] } = this.#rules
    const fields = this.#fieldsOf(value)
    if (fields.length < minProperties) yield { path: '', message: `Expected object to have at least ${minProperties} properties` }
    if (fields.length > maxProperties) yield { path: '', message: `Expected object to have no more than ${maxProperties} properties` }
    for (const name of required) if (!Object.hasOwn(value, name)) yield { path: pointerTo(name), message: 'Expected required property' }
    for (const [key, field] of fields) for (const rule of this.#rulesOf(key)) yield * fieldFaults(key, field, rule)
  }

  #fieldsOf (value: object): Array<[string, unknown]> {
    const { exempt } = this.#rules
    return exempt === undefined ? Object.entries(value) : Object.entries(value).filter(([key]) => !exempt.includes(key))
  }

  /** Returns every rule for a key; that for the others where there is none. */
  #rulesOf (key: string): ReadonlyArray<RecordRules['others']> {
    const known = this.#schemasOf(key)
    return known.length === 0 ? [this.#rules.others] : known
  }

  #schemasOf (key: string): Node[] {
    const { fields, patterns } = this.#rules
    const own = fields?.get(key)
    const matching = patterns.filter(({ keys }) => keys === null || (key.length <= MAX_KEY && keys.test(key))).map(({ values }) => values)
    return own === undefined ? matching : [own, ...matching]
  }

  #removesNothing (): boolean {
    const { fields = new Map<string, Node>(), patterns, others } = this.#rules
    const nodes = [...fields.values(), ...patterns.map(({ values }) => values), ...typeof others === 'object' ? [others] : []]
    return nodes.every(({ clean }) => clean === null) && (others !== undefined || patterns.some(({ keys }) => keys === null))
  }

  #cleanRuleOf (key: string): FieldRule {
    const { exempt, required, others } = this.#rules
    if (exempt?.includes(key) === true) return 'keep'
    const known = this.#schemasOf(key)
    if (known.length === 0) return others === undefined && required?.includes(key) !== true ? 'drop' : (typeof others === 'object' && others.clean) || 'keep'
    const cleaners = known.map(({ clean }) => clean)
    return cleaners.includes(null) ? 'keep' : together(cleaners as Clean[])
  }
}

function isGood (rule: RecordRules['others'], value: unknown): boolean {
  return typeof rule === 'object' ? rule.check(value) : rule !== false
}

function * fieldFaults (key: string, value: unknown, rule: RecordRules['others']): Iterable<Fault> {
  if (isGood(rule, value)) return
  const path = pointerTo(key)
  if (typeof rule !== 'object') return yield { path, message: 'Unexpected property' }
  for (const fault of rule.faults(value)) yield { path: path + fault.path, message: fault.message }
}

/** RFC 6901 section 3. */
function pointerTo (key: string): string {
  return `/${key.replace(/~/g, '~0').replace(/\//g, '~1')}`
}
