import { Kind, type TSchema } from '@sinclair/typebox'

/** Keywords under which TypeBox's kinds contain other schemas: one, a list, or a map. Kinds registered by an app are opaque. */
const HOLDERS: Readonly<Record<string, readonly string[]>> = {
  Object: ['properties', 'additionalProperties'],
  Record: ['patternProperties', 'additionalProperties'],
  Array: ['items', 'contains'],
  Tuple: ['items'],
  Union: ['anyOf'],
  Intersect: ['allOf', 'unevaluatedProperties'],
  Not: ['not'],
  Import: ['$defs'],
  Constructor: ['returns']
}
const MAPS: readonly string[] = ['properties', 'patternProperties', '$defs']

/** Copies a schema with each contained schema replaced; `path` is its JSON Pointer. */
export function mapHeld (schema: TSchema, replace: (held: TSchema, path: string) => TSchema): TSchema {
  const mapped: Record<string, unknown> = {}
  for (const key of HOLDERS[schema[Kind]] ?? []) {
    const held: unknown = schema[key]
    if (typeof held !== 'object' || held === null) continue
    if (Array.isArray(held)) mapped[key] = held.map((inner, index) => replace(inner, `/${key}/${index}`))
    else if (MAPS.includes(key)) mapped[key] = Object.fromEntries(Object.entries(held).map(([name, inner]) => [name, replace(inner, `/${key}/${name}`)]))
    else mapped[key] = replace(held as TSchema, `/${key}`)
  }
  return { ...schema, ...mapped } as TSchema
}
