import { Names, pascalCase } from './names.js'

/** A JSON Schema that is an object, or any other JSON object. */
export type JsonObject = Record<string, unknown>
/** A JSON Schema: an object, or true for anything and false for nothing. */
export type JsonSchema = JsonObject | boolean

/** Keywords that hold one schema or a list of them, and keywords that hold schemas by name. */
const HOLDERS: ReadonlySet<string> = new Set([
  'additionalItems', 'additionalProperties', 'allOf', 'anyOf', 'contains', 'else', 'if', 'items', 'not', 'oneOf', 'prefixItems', 'propertyNames', 'then',
  'unevaluatedItems', 'unevaluatedProperties'
])
const MAPS: ReadonlySet<string> = new Set(['dependentSchemas', 'patternProperties', 'properties'])
/** Keywords that only name schemas for references, which are replaced. */
const NAMING: ReadonlySet<string> = new Set(['$anchor', '$defs', '$id', '$schema', 'definitions'])
const PREFIX = '#/components/schemas/'
/** An id that TypeBox made up: a number of its own process. */
const MADE_UP = /^T\d+$/

/** A schema with all that its references can mean. */
interface Root {
  schema: JsonSchema
  name: string
  /** Parts of the schema that other parts refer to by name. */
  named: ReadonlyMap<string, JsonSchema>
  /** Components made of its parts. */
  components: Map<JsonSchema, string>
}

/**
 * Collects schemas as components of a document: each has a readable name of its own, and every reference in them, also a recursive
 * one, is one to a component.
 */
export class ComponentSchemas {
  /** The components by name. */
  readonly schemas: Record<string, JsonSchema> = {}
  readonly #names = new Names()
  /** Schemas that become a component wherever they appear, by their JSON. */
  readonly #shared = new Map<string, Root>()

  /** Makes a schema a component of this name wherever an equal one appears within others. */
  share (name: string, schema: JsonSchema): void {
    this.#shared.set(JSON.stringify(schema), rootOf(name, schema))
  }

  /** Adds a schema, and returns the reference to it. A number is added to a name that is taken. */
  add (name: string, schema: JsonSchema): { $ref: string } {
    const root = rootOf(name, schema)
    return this.#component(root, schema, root.name)
  }

  #component (root: Root, schema: JsonSchema, wanted: string): { $ref: string } {
    let name = root.components.get(schema)
    if (name === undefined) {
      name = this.#names.free(wanted)
      root.components.set(schema, name)
      // Its parts follow it in the document.
      this.schemas[name] = true
      this.schemas[name] = this.#rewritten(root, schema)
    }
    return { $ref: PREFIX + name }
  }

  /** Rewrites a part of a schema, which may be a component of its own. */
  #part (root: Root, schema: JsonSchema): JsonSchema {
    if (typeof schema === 'boolean') return schema
    const json = JSON.stringify(schema)
    const { $id } = schema
    if (typeof $id === 'string' && !MADE_UP.test($id) && !this.#shared.has(json)) {
      const own = rootOf($id, schema)
      // Otherwise it means something else in another schema.
      if (isWhole(own)) this.#shared.set(json, own)
    }
    const shared = this.#shared.get(json)
    return shared === undefined ? this.#rewritten(root, schema) : this.#component(shared, shared.schema, shared.name)
  }

  #rewritten (root: Root, schema: JsonSchema): JsonSchema {
    if (typeof schema === 'boolean') return schema
    if (typeof schema.$ref === 'string') return this.#reference(root, schema.$ref)
    const rewritten: JsonObject = {}
    for (const [keyword, value] of Object.entries(schema)) {
      if (NAMING.has(keyword)) continue
      rewritten[keyword] = mapHeld(keyword, value, (held) => this.#part(root, held))
    }
    return rewritten
  }

  #reference (root: Root, $ref: string): JsonSchema {
    if ($ref.startsWith(PREFIX)) return { $ref }
    const target = targetOf(root, $ref)
    if (target === undefined) return { description: `Not described here: ${$ref}` }
    const name = $ref.startsWith('#/') ? keysOf($ref).at(-1)! : $ref
    return this.#component(root, target, target === root.schema ? root.name : MADE_UP.test(name) ? `${root.name}Node` : pascalCase(name))
  }
}

/** Returns a schema as plain JSON: without the symbols of TypeBox. */
export function asJson (schema: unknown): JsonObject {
  return JSON.parse(JSON.stringify(schema))
}

function rootOf (name: string, schema: JsonSchema): Root {
  const named = new Map<string, JsonSchema>()
  visit(schema, (part) => {
    const { $id, $defs, definitions } = part
    for (const [key, held] of Object.entries({ ...definitions as JsonObject, ...$defs as JsonObject })) named.set(key, held as JsonSchema)
    if (typeof $id === 'string') named.set($id, part)
  })
  return { schema, name: pascalCase(name), named, components: new Map() }
}

/** Returns true if a schema refers only to its own parts, by name. */
function isWhole (root: Root): boolean {
  let whole = true
  visit(root.schema, ({ $ref }) => { whole &&= typeof $ref !== 'string' || root.named.has($ref) })
  return whole
}

/** Finds the part that a reference means: by name, as in TypeBox, or by JSON Pointer. */
function targetOf ({ schema, named }: Root, $ref: string): JsonSchema | undefined {
  if (!$ref.startsWith('#')) return named.get($ref)
  return keysOf($ref).reduce<unknown>((part, key) => (part as JsonObject | undefined)?.[key], schema) as JsonSchema | undefined
}

/** Splits a JSON Pointer. */
function keysOf ($ref: string): string[] {
  return decodeURIComponent($ref).split('/').slice(1).map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Visits a schema and all its parts, those that only references use included. */
function visit (schema: JsonSchema, see: (schema: JsonObject) => void): void {
  if (typeof schema === 'boolean') return
  see(schema)
  for (const [keyword, value] of Object.entries(schema)) {
    mapHeld(keyword === '$defs' || keyword === 'definitions' ? 'properties' : keyword, value, (held) => {
      visit(held, see)
      return held
    })
  }
}

/** Replaces the schemas under a keyword; other values stay as they are. */
function mapHeld (keyword: string, value: unknown, replace: (held: JsonSchema) => JsonSchema): unknown {
  if (MAPS.has(keyword)) return Object.fromEntries(Object.entries(value as JsonObject).map(([name, held]) => [name, replace(held as JsonSchema)]))
  if (!HOLDERS.has(keyword)) return value
  return Array.isArray(value) ? value.map(replace) : replace(value as JsonSchema)
}
