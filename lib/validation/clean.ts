import { Kind, type TArray, type TIntersect, type TObject, type TSchema, type TTuple, type TUnion } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { partOf, type Clean } from './part.js'

/** What becomes of a field: it is kept as it is, cleaned, or removed. */
export type FieldRule = 'keep' | 'drop' | Clean

type Fields = Record<string, unknown>

/**
 * Compiles what removes the fields that a prepared schema does not name, at any depth. It is for values that passed the
 * check. null: there is never anything to remove.
 *
 * Fields stay where the schema says `additionalProperties`, be it `true` or a schema. A union keeps what the first member
 * that matches keeps, an intersection what any of its members keeps.
 */
export function cleanerOf (schema: TSchema): Clean | null {
  const part = partOf(schema)
  if (part !== null) return part.clean
  switch (schema[Kind]) {
    case 'Object': return objectCleaner(schema as TObject)
    case 'Array': return itemsCleaner((schema as TArray).items)
    case 'Tuple': return tupleCleaner((schema as TTuple).items ?? [])
    case 'Union': return unionCleaner((schema as TUnion).anyOf)
    case 'Intersect': return intersectCleaner(schema as TIntersect)
    default: return null
  }
}

/** Cleans by several cleaners: a field stays where one of them keeps it. */
export function together (cleaners: readonly Clean[]): Clean {
  return (value) => {
    const [first, ...others] = cleaners
    return others.reduce((cleaned, clean) => cleaned === value ? value : merge(value, cleaned, clean(value)), first!(value))
  }
}

/** Removes and cleans fields by their keys. Hot: most objects have nothing to remove, and are returned as they are. */
export function cleanFields (fields: Fields, ruleOf: (key: string) => FieldRule): Fields {
  let cleaned: Fields | null = null
  for (const key in fields) {
    const rule = ruleOf(key)
    const kept = typeof rule === 'function' ? rule(fields[key]) : fields[key]
    if (cleaned === null && (rule === 'drop' || kept !== fields[key])) cleaned = fieldsBefore(key, fields)
    if (cleaned !== null && rule !== 'drop') cleaned[key] = kept
  }
  return cleaned ?? fields
}

function fieldsBefore (end: string, fields: Fields): Fields {
  const before: Fields = {}
  for (const key in fields) {
    if (key === end) break
    before[key] = fields[key]
  }
  return before
}

function objectCleaner ({ properties, additionalProperties }: TObject): Clean | null {
  const rules = new Map<string, FieldRule>(Object.entries(properties).map(([key, property]) => [key, cleanerOf(property) ?? 'keep']))
  const others = additionalProperties === undefined ? 'drop' : (typeof additionalProperties === 'object' && cleanerOf(additionalProperties)) || 'keep'
  if (others === 'keep' && [...rules.values()].every((rule) => rule === 'keep')) return null
  const ruleOf = (key: string) => rules.get(key) ?? others
  return (value) => cleanFields(value as Fields, ruleOf)
}

function itemsCleaner (items: TSchema): Clean | null {
  const clean = cleanerOf(items)
  return clean === null ? null : (value) => cleanItems(value as unknown[], () => clean)
}

function tupleCleaner (items: readonly TSchema[]): Clean | null {
  const cleaners = items.map(cleanerOf)
  return cleaners.every((clean) => clean === null) ? null : (value) => cleanItems(value as unknown[], (index) => cleaners[index]!)
}

function cleanItems (items: unknown[], cleanerAt: (index: number) => Clean | null): unknown[] {
  let cleaned: unknown[] | null = null
  for (const [index, item] of items.entries()) {
    const clean = cleanerAt(index)
    const kept = clean === null ? item : clean(item)
    if (kept !== item) cleaned ??= items.slice(0)
    if (cleaned !== null) cleaned[index] = kept
  }
  return cleaned ?? items
}

function unionCleaner (members: readonly TSchema[]): Clean | null {
  const cleaners = members.map(cleanerOf)
  if (cleaners.every((clean) => clean === null)) return null
  const checks = members.map((member) => TypeCompiler.Compile(member))
  return (value) => {
    const clean = cleaners[checks.findIndex((check) => check.Check(value))]!
    return clean === null ? value : clean(value)
  }
}

function intersectCleaner ({ allOf, unevaluatedProperties }: TIntersect): Clean | null {
  const cleaners = allOf.map(cleanerOf)
  // A member that removes nothing keeps everything.
  if (typeof unevaluatedProperties === 'object' || cleaners.includes(null)) return null
  return together(cleaners as Clean[])
}

/** What either of two cleaned forms of a value has: the value itself where that is all of it. */
function merge (value: unknown, a: unknown, b: unknown): unknown {
  if (a === value || b === value) return value
  if (Array.isArray(value)) {
    const items = value.map((item, index) => merge(item, (a as unknown[])[index], (b as unknown[])[index]))
    return items.every((item, index) => item === value[index]) ? value : items
  }
  return cleanFields(value as Fields, (key) => {
    const [inA, inB] = [a as Fields, b as Fields].map((fields) => key in fields)
    if (!inA && !inB) return 'drop'
    if (inA && inB) return (field) => merge(field, (a as Fields)[key], (b as Fields)[key])
    return () => (inA ? a as Fields : b as Fields)[key]
  })
}
