import { Kind, type TSchema } from '@sinclair/typebox'
import { ANY_FIELD, ownSchema } from './converted.js'
import { defined } from './json-arrays.js'
import type { JsonObject } from './json-keywords.js'
import { partAt, type Site } from './json-references.js'

const NEVER = { [Kind]: 'Never', not: {} } as unknown as TSchema

/**
 * Converts the keywords for objects.
 *
 * @param exempt fields that the object may have in any case
 */
export function objectSchema (site: Site, exempt: readonly string[], convert: (part: Site) => TSchema): TSchema {
  const json = site.json as JsonObject
  const { patternProperties: patterns, minProperties, maxProperties } = json
  const unnamed = exempt.filter((name) => !Object.hasOwn(json.properties ?? {}, name))
  // Fields that the keywords beside it do not name are all that is left unevaluated.
  const rest = json.additionalProperties === undefined ? 'unevaluatedProperties' : 'additionalProperties'
  const others = json[rest] === undefined || typeof json[rest] === 'boolean' ? json[rest] as boolean | undefined : convert(partAt(site, rest))
  const limits = defined({ minProperties, maxProperties })
  const required = [...new Set(json.required)]
  const fields = new Map(Object.keys(json.properties ?? {}).map((name) => [name, convert(partAt(site, 'properties', name))]))
  if (patterns === undefined && (unnamed.length === 0 || Object.keys(limits).length === 0)) {
    for (const name of required) if (!fields.has(name)) fields.set(name, others === false ? NEVER : typeof others === 'object' ? others : ANY_FIELD)
    for (const name of required) fields.set(name, present(fields.get(name)!))
    for (const name of unnamed) if (!fields.has(name)) fields.set(name, ANY_FIELD)
    return { [Kind]: 'Object', type: 'object', required, properties: Object.fromEntries(fields), ...defined({ additionalProperties: others }), ...limits } as unknown as TSchema
  }
  const byPattern = new Map(Object.keys(patterns ?? {}).map((source) => [source, convert(partAt(site, 'patternProperties', source))]))
  if (fields.size === 0 && required.length === 0 && unnamed.length === 0 && byPattern.size === 1) {
    return { [Kind]: 'Record', type: 'object', patternProperties: Object.fromEntries(byPattern), ...defined({ additionalProperties: others }), ...limits } as unknown as TSchema
  }
  return ownSchema({ [Kind]: 'Fields', fields, required, patterns: byPattern, others, exempt: unnamed, ...limits })
}

/** Makes sure that a missing field is noticed: TypeBox asks only for fields whose schema is `Unknown` itself. */
function present (schema: TSchema): TSchema {
  return schema[Kind] !== 'Unknown' && canAcceptNothing(schema) ? ownSchema({ [Kind]: 'Present', schema }) : schema
}

function canAcceptNothing (schema: TSchema): boolean {
  if (schema[Kind] === 'Union') return (schema.anyOf as TSchema[]).some(canAcceptNothing)
  if (schema[Kind] === 'Intersect') return (schema.allOf as TSchema[]).some(canAcceptNothing)
  return ['Unknown', 'Not', 'Ref', 'Siblings', 'OneOf', 'Condition'].includes(schema[Kind])
}
