import { Kind, type TObject, type TSchema } from '@sinclair/typebox'
import { ANY_FIELD, ownSchema, type OwnSchema } from './converted.js'

/**
 * Adds the fields of the envelope to the schema of a whole message, in which they may have any value so far. Objects and unions of
 * objects remain one compiled check, since most frames are checked by one.
 */
export function addEnvelope (schema: TSchema, envelope: TObject): TSchema {
  const own = schema as unknown as OwnSchema
  if (own[Kind] === 'Converted') return ownSchema({ ...own, schema: addEnvelope(own.schema, envelope) })
  if (schema[Kind] !== 'Object') return ownSchema({ [Kind]: 'Siblings', members: [{ schema: envelope, isNeutral: false }, { schema, isNeutral: false }] })
  const { properties, required = [] } = schema as TObject
  const unnamed = Object.entries(envelope.properties).filter(([name]) => properties[name] === ANY_FIELD)
  const needed = unnamed.map(([name]) => name).filter((name) => envelope.required?.includes(name))
  return { ...schema, properties: { ...properties, ...Object.fromEntries(unnamed) }, required: [...new Set([...required, ...needed])] } as TSchema
}
