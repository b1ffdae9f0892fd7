import { Type, type TObject, type TProperties, type TSchema, type TUnion, Kind } from '@sinclair/typebox'

/**
 * Adds the fields of the envelope to the schema of an object, or to each member of a union of objects, for the documents of the app's
 * routes. Fields that the schema names itself stay. Other kinds of schema are used as they are, and so are those with a name, which can
 * refer to themselves: their parts have no envelope.
 */
export function withEnvelope (schema: TSchema, envelope: TProperties): TSchema {
  if (schema.$id !== undefined) return schema
  if (schema[Kind] === 'Union') {
    const { anyOf, ...options } = schema as TUnion
    return Type.Union(anyOf.map((member) => withEnvelope(member, envelope)), options)
  }
  if (schema[Kind] !== 'Object') return schema
  const { properties, ...options } = schema as TObject
  return Type.Object({ ...envelope, ...properties }, options)
}
