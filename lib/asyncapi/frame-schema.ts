import type { JsonObject, JsonSchema } from './component-schemas.js'

/** Keywords that hold alternatives or parts of one object. */
const MEMBERS = ['anyOf', 'oneOf', 'allOf'] as const

/**
 * Makes the schema of a frame of the app's: requires its `type`, and adds fields that the server sets.
 *
 * @param component makes a schema a component: one that refers to itself must not require a `type` at each level
 */
export function frameSchema (type: string, schema: JsonObject, fields: JsonObject, component: (schema: JsonObject) => JsonObject): JsonObject {
  const added = { type: { type: 'string', const: type }, ...fields }
  return refersToItself(schema) ? { allOf: [component(schema), { type: 'object', properties: added, required: ['type'] }] } : withFields(schema, added)
}

function withFields (schema: JsonSchema, fields: JsonObject): JsonObject {
  const own = { type: 'object', properties: fields, required: ['type'] }
  if (typeof schema === 'boolean') return own
  const { properties, required = [] } = schema as { properties?: JsonObject, required?: string[] }
  if (properties !== undefined) {
    // In this order a reader sees the type first, and what the server adds last.
    return { ...schema, properties: { type: fields.type, ...properties, ...fields }, required: [...new Set(['type', ...required])] }
  }
  const members = MEMBERS.find((keyword) => Array.isArray(schema[keyword]))
  if (members === undefined) return { allOf: [schema, own] }
  return { ...schema, [members]: (schema[members] as JsonSchema[]).map((member) => withFields(member, fields)) }
}

function refersToItself (schema: JsonObject): boolean {
  return schema.$id !== undefined || /"\$ref":"#/.test(JSON.stringify(schema))
}
