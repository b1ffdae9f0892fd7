import type { JsonObject, JsonSchema } from './component-schemas.js'

/** Keywords that hold alternatives or parts of one object. */
const MEMBERS = ['anyOf', 'oneOf', 'allOf'] as const

/** Fields of a frame beside those of its own schema. */
export interface Added { properties: JsonObject, required?: readonly string[] }

/**
 * Makes the schema of a frame of the app's: requires its `type`, and adds fields of the protocol.
 *
 * @param component makes a schema a component: one that refers to itself must not require a `type` at each level
 */
export function frameSchema (type: string, schema: JsonObject, { properties, required = [] }: Added, component: (schema: JsonObject) => JsonObject): JsonObject {
  const own = { type: 'object', properties: { type: { type: 'string', const: type }, ...properties }, required: ['type', ...required] }
  return refersToItself(schema) ? { allOf: [component(schema), own] } : withFields(schema, own)
}

function withFields (schema: JsonSchema, own: { type: string, properties: JsonObject, required: string[] }): JsonObject {
  if (typeof schema === 'boolean') return own
  const { properties, required = [] } = schema as { properties?: JsonObject, required?: string[] }
  if (properties !== undefined) {
    // In this order a reader sees the type first, and what the server adds last.
    return { ...schema, properties: { type: own.properties.type, ...properties, ...own.properties }, required: [...new Set([...own.required, ...required])] }
  }
  const members = MEMBERS.find((keyword) => Array.isArray(schema[keyword]))
  if (members === undefined) return { allOf: [schema, own] }
  return { ...schema, [members]: (schema[members] as JsonSchema[]).map((member) => withFields(member, own)) }
}

function refersToItself (schema: JsonObject): boolean {
  return schema.$id !== undefined || /"\$ref":"#/.test(JSON.stringify(schema))
}
