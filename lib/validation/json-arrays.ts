import { Kind, type TSchema } from '@sinclair/typebox'
import { ownSchema, type Member } from './converted.js'
import type { JsonObject } from './json-keywords.js'
import { partAt, type Site } from './json-references.js'

const UNKNOWN = { [Kind]: 'Unknown' } as unknown as TSchema

/** Converts the keywords for arrays, of all drafts. */
export function arrayMembers (site: Site, convert: (part: Site) => TSchema): Member[] {
  const json = site.json as JsonObject
  const { contains, minContains = 1, maxContains = Infinity } = json
  const list = listSchema(site, json, convert)
  if (contains === undefined || (minContains === 0 && maxContains === Infinity)) return [{ schema: list, isNeutral: false }]
  const condition = ownSchema({ [Kind]: 'Contains', contains: convert(partAt(site, 'contains')), minContains, maxContains })
  return [{ schema: list, isNeutral: false }, { schema: condition, isNeutral: true }]
}

function listSchema (site: Site, json: JsonObject, convert: (part: Site) => TSchema): TSchema {
  const { minItems, maxItems, uniqueItems } = json
  // Before 2020-12 `items` was the list of the first items, and `additionalItems` described the others.
  const prefix = Array.isArray(json.items) ? 'items' : 'prefixItems'
  const rest = prefix === 'items' ? 'additionalItems' : 'items'
  const others = json[rest] === undefined || typeof json[rest] === 'boolean' ? json[rest] ?? true : convert(partAt(site, rest))
  const first = (json[prefix] as readonly unknown[] | undefined ?? []).map((_, index) => convert(partAt(site, prefix, index)))
  const most = Math.min(maxItems ?? Infinity, others === false ? first.length : Infinity)
  if (uniqueItems !== true && (minItems ?? 0) === first.length && most === first.length && (first.length > 0 || json.items === undefined)) {
    return { [Kind]: 'Tuple', type: 'array', minItems: first.length, maxItems: first.length, ...first.length > 0 && { items: first } } as unknown as TSchema
  }
  if (first.length === 0 && others !== false) {
    return { [Kind]: 'Array', type: 'array', items: others === true ? UNKNOWN : others, ...defined({ minItems, maxItems, uniqueItems }) } as unknown as TSchema
  }
  return ownSchema({
    [Kind]: 'Prefixed',
    prefixItems: first,
    items: others as TSchema | boolean,
    minItems: minItems ?? 0,
    maxItems: most,
    uniqueItems: uniqueItems === true
  })
}

/** Returns the fields that are not undefined. */
export function defined (fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
