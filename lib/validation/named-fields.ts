import { Kind, type TIntersect, type TObject, type TSchema, type TUnion } from '@sinclair/typebox'
import type { OwnSchema } from './converted.js'
import { SchemaError } from './schema-error.js'

const BY_REFERENCE: readonly string[] = ['Import', 'Ref', 'This']

/**
 * Lists the fields that a schema names, as far as the member of an intersection evaluates them: those that each member of a union names.
 *
 * @throws SchemaError for keys by pattern, and for references
 */
export function namesIn (schema: TSchema): readonly string[] {
  const own = schema as unknown as OwnSchema
  if (own[Kind] === 'Converted') return namesIn(own.schema)
  if (own[Kind] === 'Fields' && own.patterns.size === 0) return [...own.fields.keys(), ...own.exempt]
  if (own[Kind] === 'Fields' || schema[Kind] === 'Record') throw new SchemaError('has unevaluatedProperties beside keys by pattern: name the keys')
  if (BY_REFERENCE.includes(schema[Kind])) throw new SchemaError('has unevaluatedProperties beside a reference: write the object in its place')
  switch (schema[Kind]) {
    case 'Object': return Object.keys((schema as TObject).properties)
    case 'Intersect': return (schema as TIntersect).allOf.flatMap(namesIn)
    case 'Union': return (schema as TUnion).anyOf.map(namesIn).reduce((all, names) => all.filter((name) => names.includes(name)))
    default: return []
  }
}
