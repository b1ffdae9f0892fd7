import { Kind, type TObject, type TRegExp, type TSchema, type TTemplateLiteral } from '@sinclair/typebox'
import { CompiledSchema, assertSchema } from './compiled-schema.js'
import { assertFinite } from './finite.js'
import { mapHeld } from './holders.js'
import { fromJsonSchema, sourceOf } from './from-json-schema.js'
import { assertJsonSchema } from './json-keywords.js'
import { messageSchema } from './message-form.js'
import { templateLength } from './preparation.js'
import { SchemaError, asSchemaError } from './schema-error.js'

/** TypeBox kinds that JSON Schema can express. */
const EXPRESSIBLE: ReadonlySet<string> = new Set([
  'Any', 'Array', 'Boolean', 'Import', 'Integer', 'Intersect', 'Literal', 'Never', 'Not', 'Null', 'Number', 'Object', 'Record', 'Ref', 'RegExp', 'String',
  'TemplateLiteral', 'This', 'Tuple', 'Union', 'Unknown'
])

const MOST_COMPILED = 100
const compiled = new Map<string, CompiledSchema>()

/** Returns true for a schema of TypeBox 0.34; all others are JSON Schemas, those of TypeBox 1.x included. */
export function isTypeBox (schema: unknown): schema is TSchema {
  return typeof schema === 'object' && schema !== null && Kind in schema
}

/**
 * Reads a schema of any kind as one of TypeBox 0.34, for `CompiledSchema`.
 *
 * @param envelope fields that a message may have in any case, with their schemas; null: it is no schema of messages
 * @throws SchemaError for anything else, and for what cannot be checked
 */
export function readSchema (schema: unknown, envelope: TObject | null = null): TSchema {
  try {
    return read(schema, envelope)
  } catch (error) {
    throw asSchemaError(error)
  }
}

function read (schema: unknown, envelope: TObject | null): TSchema {
  if (typeof schema === 'boolean') return fromJsonSchema(schema, envelope)
  if (!isTypeBox(schema)) {
    // This names what was given in place of a schema, before its parts are searched.
    assertJsonSchema(schema)
    assertFinite(schema)
    return fromJsonSchema(schema, envelope)
  }
  assertFinite(schema)
  assertSchema(schema)
  return envelope === null ? schema : messageSchema(schema, envelope)
}

/**
 * Converts a schema of any kind to JSON Schema, which every node and client can read.
 *
 * @throws SchemaError for anything else, and for kinds that JSON Schema cannot express, like `Type.Date`
 */
export function toJsonSchema (schema: unknown): TSchema {
  const checked = readSchema(schema)
  try {
    return checked === schema ? rewrite(checked) : JSON.parse(JSON.stringify(schema, (_key, part: unknown) => plainPart(part)))
  } catch (error) {
    throw asSchemaError(error)
  }
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
    return { ...options, type: 'string', pattern: sourceOf({ source, flags }) } as TSchema
  }
  if (kind === 'TemplateLiteral') return { ...schema, maxLength: schema.maxLength ?? templateLength((schema as TTemplateLiteral).pattern) } as TSchema
  return mapHeld(schema, rewrite)
}

/** Writes what TypeBox 1.x keeps out of JSON: a pattern that is a RegExp, and the length of a template. */
function plainPart (part: unknown): unknown {
  if (part instanceof RegExp) return part.source
  const template = part as { '~kind'?: unknown, pattern: string, maxLength?: number } | null
  return template?.['~kind'] === 'TemplateLiteral' ? { ...template, maxLength: template.maxLength ?? templateLength(template.pattern) } : part
}
