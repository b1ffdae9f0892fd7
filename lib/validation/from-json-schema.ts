import { Kind, type TObject, type TSchema } from '@sinclair/typebox'
import { Place, messageName, ownSchema, type Member } from './converted.js'
import { addEnvelope } from './envelope.js'
import { arrayMembers } from './json-arrays.js'
import { assertJsonSchema, keywordsOf, typedKeywords, typesOf, type JsonObject } from './json-keywords.js'
import { literalsOf } from './json-literals.js'
import { objectSchema } from './json-objects.js'
import { partAt, resolve, type Scope, type Site } from './json-references.js'
import { templateLength } from './preparation.js'
import { SchemaError, asSchemaError } from './schema-error.js'

/** Where a part applies. */
interface Context {
  /** Types that the schemas for the same value allow; null: any. */
  types: readonly string[] | null
  /** True for a schema of the whole message, which may have the fields of the envelope. */
  isMessage: boolean
}

const INNER: Context = { types: null, isMessage: false }
const APPLICATORS: ReadonlyArray<keyof JsonObject> = ['$ref', 'anyOf', 'allOf', 'oneOf', 'not', 'if']
/** Keywords that can be checked together with `unevaluatedProperties`, and those of the members of such an intersection. */
const OF_INTERSECTIONS: readonly string[] = ['type', 'allOf', 'unevaluatedProperties']
const OF_THEIR_MEMBERS: readonly string[] = ['type', 'properties', 'required', 'minProperties', 'maxProperties']

/**
 * Converts JSON Schema (draft 7 to 2020-12, and schemas of TypeBox 1.x) to a schema that `CompiledSchema` compiles.
 *
 * @param envelope fields that a message may have in any case, with their schemas
 * @throws SchemaError for what is no JSON Schema, and by name for every keyword that restricts values and cannot be checked here
 */
export function fromJsonSchema (json: unknown, envelope: TObject | null = null): TSchema {
  const conversion = new Conversion(Object.keys(envelope?.properties ?? {}))
  const { schema, definitions } = conversion.convertAll(json)
  return ownSchema({ [Kind]: 'Converted', $defs: definitions, schema: envelope === null ? schema : addEnvelope(schema, envelope) })
}

class Conversion {
  readonly #envelope: readonly string[]
  readonly #definitions = new Map<string, TSchema | null>()
  readonly #left: Array<() => void> = []

  constructor (envelope: readonly string[]) {
    this.#envelope = envelope
  }

  convertAll (json: unknown): { schema: TSchema, definitions: Record<string, TSchema> } {
    const isMessage = this.#envelope.length > 0
    const schema = this.#convert({ json, path: '', scope: null }, { types: null, isMessage })
    for (let convert = this.#left.pop(); convert !== undefined; convert = this.#left.pop()) convert()
    return { schema, definitions: Object.fromEntries(this.#definitions) as Record<string, TSchema> }
  }

  #convert (site: Site, context: Context): TSchema {
    try {
      return { ...this.#schemaAt(site, context), [Place]: site.path } as TSchema
    } catch (error) {
      throw asSchemaError(error).at(site.path)
    }
  }

  #schemaAt (site: Site, context: Context): TSchema {
    const { json } = site
    if (typeof json === 'boolean') return ownKind(json ? 'Unknown' : 'Never', json ? {} : { not: {} })
    assertJsonSchema(json)
    const types = typesOf(json)
    if (json.unevaluatedProperties !== undefined && APPLICATORS.some((keyword) => json[keyword] !== undefined)) return this.#intersection(site, json, context)
    const members = [
      ...this.#typed(site, json, types, context),
      ...literalsOf(json, types).map((schema) => ({ schema, isNeutral: true })),
      ...this.#applicators(site, json, { ...context, types: types ?? context.types })
    ]
    if (members.length === 0) return ownKind('Unknown', {})
    return members.length === 1 ? members[0]!.schema : ownSchema({ [Kind]: 'Siblings', members })
  }

  /** Converts the keywords for values of one type. */
  #typed (site: Site, json: JsonObject, given: readonly string[] | null, context: Context): Member[] {
    const types = given ?? context.types
    const used = typedKeywords(json)
    if (types === null) {
      if (used.length === 0) return []
      const [keyword, type] = used[0]!
      throw new SchemaError(`has ${keyword} without a type: add "type": "${type}"`)
    }
    const isUsed = types.some((type) => keywordsOf(type).some((name) => json[name] !== undefined))
    if (!isUsed && (given === null || 'enum' in json || 'const' in json || isOfObjects(json))) return []
    const members = types.map((type) => this.#ofType(type, site, json, context))
    if (members.length === 1) return members[0]!
    const isNeutral = !types.includes('object') && !types.includes('array')
    return [{ schema: ownKind('Union', { anyOf: members.map((some) => some.length === 1 ? some[0]!.schema : ownSchema({ [Kind]: 'Siblings', members: some })) }), isNeutral }]
  }

  #ofType (type: string, site: Site, json: JsonObject, context: Context): Member[] {
    const convert = (part: Site) => this.#convert(part, INNER)
    switch (type) {
      case 'object': return [{ schema: objectSchema(site, context.isMessage ? this.#envelope : [], convert), isNeutral: false }]
      case 'array': return arrayMembers(site, convert)
      case 'string': return [{ schema: ownKind('String', { type, ...rulesOf(json, ['minLength', 'maxLength', 'format']), ...patternOf(json) }), isNeutral: true }]
      case 'boolean': return [{ schema: ownKind('Boolean', { type }), isNeutral: true }]
      case 'null': return [{ schema: ownKind('Null', { type }), isNeutral: true }]
      default: return [{ schema: ownKind(type === 'integer' ? 'Integer' : 'Number', { type, ...rulesOf(json, keywordsOf('number')) }), isNeutral: true }]
    }
  }

  /** Only the names that the members list count as evaluated, so no member may evaluate others. */
  #intersection (site: Site, json: JsonObject, context: Context): TSchema {
    const { type, allOf, unevaluatedProperties } = json
    const areObjects = type === 'object' || (type === undefined && allOf?.some((member) => (member as JsonObject | null)?.type === 'object') === true)
    const isPlain = areObjects && hasOnly(json, OF_INTERSECTIONS) && allOf!.every((member) => hasOnly(member, OF_THEIR_MEMBERS))
    if (!isPlain) throw new SchemaError('has the keyword unevaluatedProperties beside others than allOf with plain objects, which is not supported')
    return ownKind('Intersect', {
      type: 'object',
      allOf: allOf!.map((_, index) => this.#convert(partAt(site, 'allOf', index), { ...context, types: ['object'] })),
      unevaluatedProperties: typeof unevaluatedProperties === 'boolean' ? unevaluatedProperties : this.#convert(partAt(site, 'unevaluatedProperties'), INNER)
    })
  }

  /** Converts the keywords that apply other schemas to the same value. */
  #applicators (site: Site, json: JsonObject, context: Context): Member[] {
    const convert = (...names: ReadonlyArray<string | number>) => this.#convert(partAt(site, ...names), context)
    const each = (keyword: 'anyOf' | 'allOf' | 'oneOf') => json[keyword]!.map((_, index) => convert(keyword, index))
    const members: Member[] = []
    const add = (schema: TSchema, isNeutral = false) => members.push({ schema, isNeutral })
    if (json.$ref !== undefined) add(this.#reference(json.$ref, { json, path: site.path, outer: site.scope }, context))
    if (json.anyOf !== undefined) add(ownKind('Union', { anyOf: each('anyOf') }))
    if (json.allOf !== undefined) add(ownKind('Intersect', { ...isOfObjects(json) && { type: 'object' }, allOf: each('allOf') }))
    if (json.oneOf !== undefined) add(ownSchema({ [Kind]: 'OneOf', oneOf: each('oneOf') }))
    if (json.not !== undefined) add(ownKind('Not', { not: convert('not') }), true)
    if (json.if !== undefined && (json.then !== undefined || json.else !== undefined)) {
      add(ownSchema({ [Kind]: 'Condition', if: convert('if'), then: json.then === undefined ? undefined : convert('then'), else: json.else === undefined ? undefined : convert('else') }))
    }
    return members
  }

  #reference ($ref: string, scope: Scope, { isMessage }: Context): TSchema {
    const target = resolve($ref, scope)
    if (target === null) throw new SchemaError(`cannot be compiled: it refers to "${$ref}", which it does not define`)
    // As a schema of the whole message it is another one than below.
    const name = definitionName(target.path, isMessage)
    if (!this.#definitions.has(name)) {
      this.#definitions.set(name, null)
      this.#left.push(() => { this.#definitions.set(name, this.#convert(target, { types: null, isMessage })) })
    }
    return ownKind('Ref', { $ref: name })
  }
}

function definitionName (path: string, isMessage: boolean): string {
  return isMessage ? messageName(path) : path
}

function ownKind (kind: string, fields: object): TSchema {
  return { [Kind]: kind, ...fields } as unknown as TSchema
}

function rulesOf (json: JsonObject, names: readonly string[]): object {
  return Object.fromEntries(names.filter((name) => json[name] !== undefined).map((name) => [name, json[name]]))
}

/** Reads the pattern, which TypeBox 1.x also takes as a RegExp; the longest text of a template bounds its texts. */
function patternOf (json: JsonObject): object {
  const { pattern } = json
  if (pattern === undefined) return {}
  if (typeof pattern !== 'string') return { pattern: sourceOf(pattern) }
  return json['~kind'] === 'TemplateLiteral' && json.maxLength === undefined ? { pattern, maxLength: templateLength(pattern) } : { pattern }
}

/** @throws SchemaError for a pattern with flags that change what it matches */
export function sourceOf ({ source, flags }: { source: string, flags: string }): string {
  if (/[^dg]/.test(flags)) throw new SchemaError(`has the pattern /${source}/${flags}, whose flags JSON Schema cannot express`)
  return source
}

/** Returns true if a schema says no more of its values than that they are objects, and `allOf` says the same. */
function isOfObjects ({ type, allOf }: JsonObject): boolean {
  return type === 'object' && allOf?.every((member) => (member as JsonObject | null)?.type === 'object') === true
}

function hasOnly (json: unknown, keywords: readonly string[]): boolean {
  return typeof json === 'object' && json !== null && [...typedKeywords(json as JsonObject).map(([name]) => name), ...APPLICATORS, 'enum', 'const']
    .every((name) => (json as JsonObject)[name] === undefined || keywords.includes(String(name)))
}
