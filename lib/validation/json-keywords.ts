import { nearestName } from '../nearest-name.js'
import { isPlain } from '../plain-object.js'
import { SchemaError } from './schema-error.js'

/** A JSON Schema with valid keywords. */
export interface JsonObject {
  type?: string | readonly string[]
  nullable?: boolean
  enum?: readonly unknown[]
  const?: unknown
  properties?: Readonly<Record<string, unknown>>
  patternProperties?: Readonly<Record<string, unknown>>
  $defs?: Readonly<Record<string, unknown>>
  definitions?: Readonly<Record<string, unknown>>
  required?: readonly string[]
  additionalProperties?: unknown
  unevaluatedProperties?: unknown
  minProperties?: number
  maxProperties?: number
  items?: unknown
  prefixItems?: readonly unknown[]
  additionalItems?: unknown
  contains?: unknown
  minContains?: number
  maxContains?: number
  minItems?: number
  maxItems?: number
  uniqueItems?: boolean
  minLength?: number
  maxLength?: number
  pattern?: string | RegExp
  format?: string
  anyOf?: readonly unknown[]
  allOf?: readonly unknown[]
  oneOf?: readonly unknown[]
  $id?: string
  $ref?: string
  readonly [keyword: string]: unknown
}

const text = { is: (value: unknown) => typeof value === 'string', must: 'be a text' }
const flag = { is: (value: unknown) => typeof value === 'boolean', must: 'be true or false' }
const count = { is: (value: unknown) => Number.isSafeInteger(value) && value as number >= 0, must: 'be a whole number, 0 or more' }
const number = { is: Number.isFinite, must: 'be a number' }
const positive = { is: (value: unknown) => Number.isFinite(value) && value as number > 0, must: 'be a number above 0' }
const names = { is: (value: unknown) => Array.isArray(value) && value.every(text.is), must: 'be a list of names' }
const schemas = { is: (value: unknown) => Array.isArray(value) && value.length > 0, must: 'be a list of schemas' }
const map = { is: (value: unknown) => typeof value === 'object' && value !== null && isPlain(value), must: 'be an object of schemas' }
const values = { is: (value: unknown) => Array.isArray(value) && value.length > 0, must: 'be a list of values' }
const pattern = { is: (value: unknown) => typeof value === 'string' || value instanceof RegExp, must: 'be a text' }
/** Checked when it is converted. */
const schema = { is: () => true, must: '' }

/** Keywords that say something about values of one type only. */
const KEYWORDS_OF_TYPES = {
  object: { properties: map, patternProperties: map, required: names, additionalProperties: schema, unevaluatedProperties: schema, minProperties: count, maxProperties: count },
  array: {
    items: schema, prefixItems: { ...schemas, is: Array.isArray }, additionalItems: schema, contains: schema, minContains: count, maxContains: count, minItems: count, maxItems: count, uniqueItems: flag
  },
  string: { minLength: count, maxLength: count, pattern, format: text },
  number: { minimum: number, maximum: number, exclusiveMinimum: number, exclusiveMaximum: number, multipleOf: positive }
}
const OTHER_KEYWORDS = { nullable: flag, enum: values, $defs: map, definitions: map, anyOf: schemas, allOf: schemas, oneOf: schemas, $id: text, $ref: text }

const RULES: ReadonlyMap<string, { is: (value: unknown) => boolean, must: string }> = new Map(
  [...Object.values(KEYWORDS_OF_TYPES), OTHER_KEYWORDS].flatMap((rules) => Object.entries(rules)))
/** Keywords that restrict values, and are not checked here. */
const UNSUPPORTED: readonly string[] = [
  'dependencies', 'dependentRequired', 'dependentSchemas', 'propertyNames', 'unevaluatedItems', '$dynamicRef', '$recursiveRef'
]
const TYPES: readonly string[] = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']
/** Kinds of TypeBox 1.x that are JSON Schemas. */
const KINDS: ReadonlySet<unknown> = new Set([
  undefined, 'Any', 'Array', 'Boolean', 'Cyclic', 'Dependent', 'Enum', 'Integer', 'Intersect', 'Literal', 'Never', 'Null', 'Number', 'Object', 'Record', 'Ref', 'String',
  'TemplateLiteral', 'This', 'Tuple', 'Union', 'Unknown'
])

/** Names of the keywords for values of one type. */
export const keywordsOf = (type: string): readonly string[] =>
  Object.keys(KEYWORDS_OF_TYPES[(type === 'integer' ? 'number' : type) as keyof typeof KEYWORDS_OF_TYPES] ?? {})

/** The keywords of a schema that say something about values of one type only, each with that type. */
export function typedKeywords (json: JsonObject): Array<[keyword: string, type: string]> {
  return Object.entries(KEYWORDS_OF_TYPES).flatMap(([type, rules]) => Object.keys(rules).filter((name) => json[name] !== undefined).map((name): [string, string] => [name, type]))
}

/** @throws SchemaError for what is no JSON Schema, or has a keyword that is invalid or cannot be checked here */
export function assertJsonSchema (json: unknown): asserts json is JsonObject {
  assertObject(json)
  assertKind(json)
  for (const [name, value] of Object.entries(json)) {
    if (value === undefined) continue
    if (UNSUPPORTED.includes(name)) throw new SchemaError(`has the keyword ${name}, which is not supported`)
    const rule = RULES.get(name)
    if (rule?.is(value) === false) throw new SchemaError(`has the invalid keyword ${name}, which must ${rule.must}`)
  }
}

/** Lists the types that a schema allows; null: any. */
export function typesOf ({ type, nullable }: JsonObject): readonly string[] | null {
  if (type === undefined) return null
  const types: readonly unknown[] = Array.isArray(type) ? type : [type]
  for (const name of types) {
    if (TYPES.includes(name as string)) continue
    const near = nearestName(String(name), TYPES)
    throw new SchemaError(`has the type ${String(name)}, which JSON Schema does not know${near === null ? '' : `: did you mean "${near}"?`}`)
  }
  return [...new Set(nullable === true ? [...types, 'null'] : types)] as string[]
}

/** Says how a schema is given. */
function assertObject (given: unknown): asserts given is Record<string, unknown> {
  if (given === undefined) throw new SchemaError('is missing: pass a schema of TypeBox, or a JSON Schema')
  if ((typeof given === 'object' || typeof given === 'function') && given !== null) {
    if ('_zod' in given || '_def' in given) throw new SchemaError('is a Zod schema: convert it with z.toJSONSchema()')
    const { '~standard': standard } = given as { '~standard'?: { vendor?: unknown, validate?: unknown } }
    if (typeof standard?.validate === 'function' && !('$schema' in given)) throw new SchemaError(`is a schema of ${String(standard.vendor)}: convert it to JSON Schema`)
  }
  if (typeof given === 'object' && given !== null && !Array.isArray(given) && isPlain(given)) return
  throw new SchemaError(`is not a JSON Schema: it is ${describe(given)}`)
}

function describe (given: unknown): string {
  if (given === null) return 'null'
  if (typeof given === 'function') return /^class\b/.test(Function.prototype.toString.call(given)) ? `the class ${given.name}` : 'a function'
  if (Array.isArray(given)) return 'a list'
  return typeof given === 'object' ? `an instance of ${given.constructor.name}` : `a ${typeof given}`
}

/** TypeBox 1.x hides the kinds of its schemas from JSON. */
function assertKind (json: Record<string, unknown>): void {
  const kind = '~refine' in json ? 'Refine' : '~codec' in json ? 'Codec' : json['~kind']
  if (!KINDS.has(kind)) throw new SchemaError(`has a Type.${String(kind)}, which JSON Schema cannot express`)
}
