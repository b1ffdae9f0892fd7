import { ComponentSchemas, componentOf, expressed, mapHeld, type JsonObject, type JsonSchema } from '../lib/asyncapi/component-schemas.js'

/** Begins the ids of components, so that none is one of the host's. */
const PREFIX = 'ws-'

/** The components of each document. */
const documents = new WeakMap<object, ComponentSchemas>()

/**
 * Writes a schema of the app so that @fastify/swagger makes a definition of each part that is referred to, and converts it to the version of
 * the document: the part has an id that is unique there, and a reference names that id.
 *
 * @param name of the schema, for a part that has none
 * @param isRoot it is no part of another schema, so that it must not be such a part itself, of which @fastify/swagger makes no definition
 */
export function embeddedSchema (document: object, name: string, schema: object, isRoot: boolean): JsonObject {
  const components = documents.get(document) ?? new ComponentSchemas()
  documents.set(document, components)
  const inlined = components.inline(name, expressed(schema))
  const embedded = embed(components.schemas, inlined, new Set())
  return isRoot && isReference(inlined) ? { allOf: [embedded] } : embedded
}

/** Replaces the first reference to each component by the component itself. */
function embed (schemas: Readonly<Record<string, JsonSchema>>, schema: JsonSchema, embedded: Set<string>): JsonObject {
  // OpenAPI before 3.1 knows true and false only as `additionalProperties`.
  if (typeof schema === 'boolean') return schema ? {} : { not: {} }
  const name = componentOf(schema)
  if (name === null) {
    const site = { json: schema, path: '', scope: null }
    return Object.fromEntries(Object.keys(schema).map((keyword) => [keyword, mapHeld(keyword, site, ({ json }) =>
      typeof json === 'boolean' && keyword === 'additionalProperties' ? json : embed(schemas, json as JsonSchema, embedded))]))
  }
  const $id = PREFIX + name
  if (embedded.has(name)) return { $ref: $id }
  embedded.add(name)
  const component = schemas[name]!
  const own = embed(schemas, component, embedded)
  return { title: name, ...isReference(component) ? { allOf: [own] } : own, $id }
}

function isReference (schema: JsonSchema): boolean {
  return typeof schema === 'object' && componentOf(schema) !== null
}
