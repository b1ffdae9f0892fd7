import { partAt, resolve, type Site } from '../validation/json-references.js'

/** Keywords with lists of schemas, and keywords with one schema, that apply to the same value. */
const LISTS = ['allOf', 'anyOf', 'oneOf'] as const
const SINGLE = ['if', 'then', 'else'] as const

interface Keywords extends Partial<Record<typeof LISTS[number], unknown[]> & Record<typeof SINGLE[number], unknown>> {
  $ref?: string
  properties?: object
  required?: string[]
}

/** Finds the first of some fields that a JSON Schema names for its own value, also by a schema that it applies to it. */
export function namedField<F extends string> (json: unknown, fields: readonly F[]): F | undefined {
  return fields.find((field) => isNamed(field, { json, path: '', scope: null }, new Set()))
}

/** @param seen schemas looked at so far, which can refer to themselves */
function isNamed (field: string, site: Site, seen: Set<unknown>): boolean {
  if (typeof site.json === 'boolean' || seen.has(site.json)) return false
  seen.add(site.json)
  const schema = site.json as Keywords
  if (Object.hasOwn(schema.properties ?? {}, field) || schema.required?.includes(field) === true) return true
  const target = schema.$ref === undefined ? null : resolve(schema.$ref, { json: schema as never, path: site.path, outer: site.scope })
  const parts = [
    ...LISTS.flatMap((keyword) => (schema[keyword] ?? []).map((_, index) => partAt(site, keyword, index))),
    ...SINGLE.filter((keyword) => schema[keyword] !== undefined).map((keyword) => partAt(site, keyword)),
    ...target === null ? [] : [target]
  ]
  return parts.some((part) => isNamed(field, part, seen))
}
