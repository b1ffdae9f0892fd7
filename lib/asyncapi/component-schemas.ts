import { messageOf } from '../thrown.js'
import { partAt, resolve, type Site } from '../validation/json-references.js'
import { toJsonSchema } from '../validation/json-schema.js'
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
const MAPS: ReadonlySet<string> = new Set(['$defs', 'definitions', 'dependentSchemas', 'patternProperties', 'properties'])
/** Keywords that only name schemas for references, which are replaced. */
const NAMING: ReadonlySet<string> = new Set(['$anchor', '$defs', '$id', '$schema', 'definitions'])
const PREFIX = '#/components/schemas/'
/** An id that TypeBox made up: a number of its own process. */
const MADE_UP = /^T\d+$/

/** A schema that is described as a whole, or a part with a name of its own. */
interface Root {
  site: Site
  name: string
  /** Names of the components made of its parts, by their path. */
  components: Map<string, string>
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
    return this.#component(root, root.site, root.name)
  }

  /** Adds only what a schema refers to, and returns the schema with references to that. */
  inline (name: string, schema: JsonSchema): JsonSchema {
    const root = rootOf(name, schema)
    return this.#rewritten(root, root.site)
  }

  #component (root: Root, site: Site, wanted: string): { $ref: string } {
    let name = root.components.get(site.path)
    if (name === undefined) {
      name = this.#names.free(wanted)
      root.components.set(site.path, name)
      // Its parts follow it in the document.
      this.schemas[name] = true
      this.schemas[name] = this.#rewritten(root, site)
    }
    return { $ref: PREFIX + name }
  }

  /** Rewrites a part of a schema, which may be a component of its own. */
  #part (root: Root, site: Site): JsonSchema {
    if (typeof site.json === 'boolean') return site.json
    const schema = site.json as JsonObject
    const json = JSON.stringify(schema)
    const { $id } = schema
    if (typeof $id === 'string' && !MADE_UP.test($id) && !this.#shared.has(json)) {
      const own = rootOf($id, schema)
      // Otherwise it means something else in another schema.
      if (isWhole(own.site)) this.#shared.set(json, own)
    }
    const shared = this.#shared.get(json)
    return shared === undefined ? this.#rewritten(root, site) : this.#component(shared, shared.site, shared.name)
  }

  #rewritten (root: Root, site: Site): JsonSchema {
    if (typeof site.json === 'boolean') return site.json
    const { $ref, ...schema } = site.json as JsonObject
    const rewritten: JsonObject = {}
    for (const keyword of Object.keys(schema)) {
      if (!NAMING.has(keyword)) rewritten[keyword] = mapHeld(keyword, site, (held) => this.#part(root, held))
    }
    if (typeof $ref !== 'string') return rewritten
    const reference = this.#reference(root, $ref, site)
    // Readers ignore what stands beside a reference.
    return Object.keys(rewritten).length === 0 ? reference : { ...rewritten, allOf: [reference, ...rewritten.allOf as JsonSchema[] | undefined ?? []] }
  }

  #reference (root: Root, $ref: string, site: Site): JsonObject {
    if ($ref.startsWith(PREFIX)) return { $ref }
    const target = targetOf($ref, site)
    if (target === null) return { description: `Not described here: ${$ref}` }
    const name = $ref.includes('#/') ? target.path.split('/').at(-1)!.replaceAll('~1', '/') : $ref
    return this.#component(root, target, target.path === '' ? root.name : MADE_UP.test(name) ? `${root.name}Node` : pascalCase(name))
  }
}

/** Returns the name of the component that a schema is a reference to; null: it is none. */
export function componentOf (schema: JsonObject): string | null {
  return typeof schema.$ref === 'string' ? schema.$ref.slice(PREFIX.length) : null
}

/** Returns a schema as plain JSON: without the symbols of TypeBox. */
export function asJson (schema: unknown): JsonObject {
  return JSON.parse(JSON.stringify(schema))
}

/** Returns a schema of the app as JSON Schema. One that JSON cannot express is described as such: a document must not fail for it. */
export function expressed (schema: object): JsonSchema {
  try {
    return asJson(toJsonSchema(schema))
  } catch (error) {
    return { description: `Its schema ${messageOf(error)}` }
  }
}

/** Replaces the schemas that a schema has under a keyword; other values stay as they are. */
export function mapHeld (keyword: string, site: Site, replace: (held: Site) => JsonSchema): unknown {
  const value = (site.json as JsonObject)[keyword]
  if (MAPS.has(keyword)) return Object.fromEntries(Object.keys(value as JsonObject).map((name) => [name, replace(partAt(site, keyword, name))]))
  if (!HOLDERS.has(keyword)) return value
  return Array.isArray(value) ? value.map((_, index) => replace(partAt(site, keyword, index))) : replace(partAt(site, keyword))
}

function rootOf (name: string, schema: JsonSchema): Root {
  return { site: { json: schema, path: '', scope: null }, name: pascalCase(name), components: new Map() }
}

/** Returns true if a schema refers only to its own parts. */
function isWhole (site: Site): boolean {
  if (typeof site.json === 'boolean') return true
  const { $ref } = site.json as JsonObject
  let whole = typeof $ref !== 'string' || targetOf($ref, site) !== null
  for (const keyword of Object.keys(site.json as JsonObject)) {
    mapHeld(keyword, site, (held) => {
      whole &&= isWhole(held)
      return true
    })
  }
  return whole
}

function targetOf ($ref: string, { json, path, scope }: Site): Site | null {
  return resolve($ref, { json: json as JsonObject, path, outer: scope })
}
