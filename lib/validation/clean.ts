import { Kind, type TArray, type TIntersect, type TObject, type TSchema, type TTuple, type TUnion } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { partOf, type Clean } from './part.js'

/** Rule for a field: keep it, remove it, or clean its value. */
export type FieldRule = 'keep' | 'drop' | Clean

type Fields = Record<string, unknown>

const MOST_COMPARED = 16

/**
 * Compiles a function that removes unknown fields of a prepared schema, at any depth, from valid values. null: nothing is ever
 * removed.
 *
 * Fields covered by `additionalProperties`, be it `true` or a schema, are kept. A union keeps what any matching member keeps, an
 * intersection what any of its members keeps: as with `unevaluatedProperties` in JSON Schema, a field is known if any applicable
 * schema knows it.
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

/** Combines several cleaners: a field is kept if one of them keeps it. */
export function together (cleaners: readonly Clean[]): Clean {
  return (value) => cleanTogether(cleaners, value)
}

function cleanTogether ([first, ...others]: readonly Clean[], value: unknown): unknown {
  return others.reduce((cleaned, clean) => cleaned === value ? value : merge(value, cleaned, clean(value)), first!(value))
}

/** Removes and cleans fields by key. Returns the same object if there is nothing to do. */
export function cleanFields (fields: Fields, ruleOf: (key: string) => FieldRule): Fields {
  let cleaned: Fields | null = null
  for (const key in fields) {
    const rule = ruleOf(key)
    const kept = typeof rule === 'function' ? rule(fields[key]) : fields[key]
    if (cleaned === null && (rule === 'drop' || kept !== fields[key])) cleaned = fieldsBefore(key, fields)
    if (cleaned !== null && rule !== 'drop') setField(cleaned, key, kept)
  }
  return cleaned ?? fields
}

function fieldsBefore (end: string, fields: Fields): Fields {
  const before: Fields = {}
  for (const key in fields) {
    if (key === end) break
    setField(before, key, fields[key])
  }
  return before
}

/** Sets an own field, `__proto__` included, which an assignment would take for the prototype. */
function setField (fields: Fields, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(fields, key, { value, enumerable: true, configurable: true, writable: true })
  else fields[key] = value
}

function objectCleaner ({ properties, additionalProperties }: TObject): Clean | null {
  const cleaners = new Map<string, Clean>()
  for (const [key, property] of Object.entries(properties)) {
    const clean = cleanerOf(property)
    if (clean !== null) cleaners.set(key, clean)
  }
  const others = typeof additionalProperties === 'object' ? cleanerOf(additionalProperties) : null
  const isOpen = additionalProperties !== undefined
  const known = Object.keys(properties)
  const hasOthers = isOpen ? () => false : othersFinder(known)
  if (others !== null) return (value) => cleanFields(value as Fields, (key) => cleaners.get(key) ?? (known.includes(key) ? 'keep' : others))
  if (isOpen && cleaners.size === 0) return null
  return (value) => {
    const input = value as Fields
    let cleaned = hasOthers(input) ? cleanFields(input, (key) => known.includes(key) ? 'keep' : 'drop') : input
    for (const [key, clean] of cleaners) {
      const field = cleaned[key]
      if (field === undefined) continue
      const kept = clean(field)
      if (kept === field) continue
      if (cleaned === input) cleaned = { ...input }
      cleaned[key] = kept
    }
    return cleaned
  }
}

/**
 * Compiles a check for unknown fields. Hot: runs once per frame. Comparing three fields one by one takes 20 ns, a set 60; the
 * names are parameters, never part of the code's text.
 */
function othersFinder (known: readonly string[]): (fields: Fields) => boolean {
  if (known.length > MOST_COMPARED) {
    const names = new Set(known)
    return (fields) => {
      for (const key in fields) if (!names.has(key)) return true
      return false
    }
  }
  const names = known.map((_, index) => `name${index}`)
  const isOther = ['true', ...names.map((name) => `key !== ${name}`)].join(' && ')
  // eslint-disable-next-line no-new-func
  return new Function(...names, `return (fields) => { for (const key in fields) if (${isOther}) return true; return false }`)(...known)
}

function itemsCleaner (items: TSchema): Clean | null {
  const clean = cleanerOf(items)
  return clean === null ? null : (value) => cleanItems(value as unknown[], () => clean)
}

function tupleCleaner (items: readonly TSchema[]): Clean | null {
  const cleaners = items.map(cleanerOf)
  return cleaners.every((clean) => clean === null) ? null : (value) => cleanItems(value as unknown[], (index) => cleaners[index]!)
}

/** Cleans the items of an array. Returns the same array if there is nothing to do. */
export function cleanItems (items: unknown[], cleanerAt: (index: number) => Clean | null): unknown[] {
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
    const matching = cleaners.filter((_, index) => checks[index]!.Check(value))
    // A member that removes nothing keeps everything.
    return matching.includes(null) ? value : cleanTogether(matching as Clean[], value)
  }
}

function intersectCleaner ({ allOf, unevaluatedProperties }: TIntersect): Clean | null {
  const cleaners = allOf.map(cleanerOf)
  // A member that removes nothing keeps everything.
  if (typeof unevaluatedProperties === 'object' || cleaners.includes(null)) return null
  return together(cleaners as Clean[])
}

/** Merges two cleaned forms of a value; returns the value itself if nothing is missing. */
function merge (value: unknown, a: unknown, b: unknown): unknown {
  if (a === value || b === value) return value
  if (Array.isArray(value)) {
    const items = value.map((item, index) => merge(item, (a as unknown[])[index], (b as unknown[])[index]))
    return items.every((item, index) => item === value[index]) ? value : items
  }
  return cleanFields(value as Fields, (key) => {
    const [inA, inB] = [a as Fields, b as Fields].map((fields) => Object.hasOwn(fields, key))
    if (!inA && !inB) return 'drop'
    if (inA && inB) return (field) => merge(field, (a as Fields)[key], (b as Fields)[key])
    return () => (inA ? a as Fields : b as Fields)[key]
  })
}
