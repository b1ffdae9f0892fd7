import { Kind, type TRegExp, type TSchema, type TTemplateLiteral } from '@sinclair/typebox'
import { CompiledSchema, assertSchema } from './compiled-schema.js'
import { mapHeld } from './holders.js'
import { templateLength } from './preparation.js'
import { SchemaError } from './schema-error.js'

/** TypeBox kinds that JSON Schema can express. */
const EXPRESSIBLE: ReadonlySet<string> = new Set([
  'Any', 'Array', 'Boolean', 'Import', 'Integer', 'Intersect', 'Literal', 'Never', 'Not', 'Null', 'Number', 'Object', 'Record', 'Ref', 'RegExp', 'String',
  'TemplateLiteral', 'This', 'Tuple', 'Union', 'Unknown'
])
const KINDS_OF_TYPES: Readonly<Record<string, string>> = { string: 'String', number: 'Number', integer: 'Integer', boolean: 'Boolean', null: 'Null' }

const MOST_COMPILED = 100
const compiled = new Map<string, CompiledSchema>()

/**
 * Converts a TypeBox schema to JSON Schema, which every node and client can read.
 *
 * @throws SchemaError for anything but a TypeBox schema, and for kinds that JSON Schema cannot express, like `Type.Date`
 */
export function toJsonSchema (schema: TSchema): TSchema {
  assertSchema(schema)
  return rewrite(schema)
}

/**
 * Compiles the output of `toJsonSchema`, on any node. Caches the latest ones.
 *
 * @throws SchemaError also for what this node cannot check, like a format missing in its FormatRegistry
 */
export function compileJsonSchema (json: unknown): CompiledSchema {
  const key = JSON.stringify(json)
  const check = compiled.get(key) ?? new CompiledSchema(fromJsonSchema(json))
  compiled.delete(key)
  compiled.set(key, check)
  if (compiled.size > MOST_COMPILED) compiled.delete(compiled.keys().next().value!)
  return check
}

function rewrite (schema: TSchema): TSchema {
  const kind = schema[Kind]
  if (!EXPRESSIBLE.has(kind)) throw new SchemaError(`has a Type.${kind}, which JSON Schema cannot express`)
  if (kind === 'RegExp') {
    const { source, flags, ...options } = schema as TRegExp
    if (/[^dg]/.test(flags)) throw new SchemaError(`has the pattern /${source}/${flags}, whose flags JSON Schema cannot express`)
    return { ...options, type: 'string', pattern: source } as TSchema
  }
  if (kind === 'TemplateLiteral') return { ...schema, maxLength: schema.maxLength ?? templateLength((schema as TTemplateLiteral).pattern) } as TSchema
  return mapHeld(schema, rewrite)
}

function fromJsonSchema (json: unknown): TSchema {
  if (typeof json !== 'object' || json === null) throw new SchemaError('is not a JSON Schema')
  return mapHeld({ ...json, [Kind]: kindOf(json) } as unknown as TSchema, fromJsonSchema)
}

/** Infers TypeBox's kind from the keywords; a schema without a type accepts everything. */
function kindOf (json: { type?: unknown, items?: unknown, not?: unknown }): string {
  if ('$defs' in json) return 'Import'
  if ('$ref' in json) return 'Ref'
  if ('anyOf' in json) return 'Union'
  if ('allOf' in json) return 'Intersect'
  if ('not' in json) return 'Not'
  if ('const' in json) return 'Literal'
  const { type, items } = json
  if (type === undefined) return 'Unknown'
  if (type === 'object') return 'patternProperties' in json ? 'Record' : 'Object'
  if (type === 'array') return items === undefined || Array.isArray(items) ? 'Tuple' : 'Array'
  const kind = KINDS_OF_TYPES[type as string]
  if (kind === undefined) throw new SchemaError(`has the type ${String(type)}, which JSON Schema does not know`)
  return kind
}
