import { Kind, Type, type TProperties, type TSchema } from '@sinclair/typebox'
import { InvalidHandlerError } from '../errors.js'
import { messageOf } from '../thrown.js'
import { CompiledSchema } from '../validation/compiled-schema.js'
import { membersOf, placeOf } from '../validation/converted.js'
import { isTypeBox, readSchema, toJsonSchema } from '../validation/json-schema.js'
import { SchemaError } from '../validation/schema-error.js'
import { withEnvelope } from './envelope.js'

/** Kinds of schema that no message can match, since messages are objects. */
const NO_MESSAGES: ReadonlySet<unknown> = new Set(['String', 'Number', 'Integer', 'BigInt', 'Boolean', 'Null', 'Undefined', 'Literal', 'Array', 'Tuple', 'Prefixed', 'Contains', 'Date', 'RegExp', 'TemplateLiteral'])

/** Makes the error for a schema that cannot be used; the reason is a sentence about "its schema". */
export type Refuse = (reason: string) => Error

/** Refuses a schema of a handler. */
export const asHandler = (type: string): Refuse => (reason) => new InvalidHandlerError(type, reason)

/**
 * Compiles a schema of the app, of any kind.
 *
 * @param part the schema's name in the handler's options or the contract
 * @throws what `refuse` makes, also for an unknown format, since every message would be refused for it; for a pattern without a
 *   `maxLength` of 1000 at the most, or that takes more than linear time; and for a keyword of JSON Schema that cannot be checked
 */
export function compile (refuse: Refuse, schema: unknown, part = 'schema'): { schema: TSchema, check: CompiledSchema } {
  return named(refuse, part, () => ({ check: new CompiledSchema(readSchema(schema)), schema: documentOf(schema) }))
}

/**
 * Compiles a schema of messages, which may also have the fields of the envelope.
 *
 * @param kept whether fields of the envelope stay in a message, also where the schema is of a kind that cannot name them
 * @throws as `compile`, and for a schema that no message of the type can match
 */
export function compileMessage (
  refuse: Refuse, type: string, given: unknown, envelope: TProperties, kept: boolean, part = 'schema'
): { schema: TSchema, check: CompiledSchema } {
  return named(refuse, part, () => {
    const converted = readSchema(given, Type.Object(envelope))
    assertMessage(type, converted)
    if (!isTypeBox(given)) return { schema: documentOf(given), check: new CompiledSchema(converted) }
    const schema = withEnvelope(converted, envelope)
    return { schema, check: new CompiledSchema(schema, kept && schema[Kind] !== 'Object' ? Object.keys(envelope) : []) }
  })
}

/** Returns the schema for the documents of the app's routes. */
function documentOf (schema: unknown): TSchema {
  return isTypeBox(schema) ? schema : toJsonSchema(schema)
}

function named<T> (refuse: Refuse, part: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw refuse(`its ${part} ${error instanceof SchemaError ? error.message : `cannot be read: ${messageOf(error)}`}`)
  }
}

/** @throws SchemaError */
function assertMessage (type: string, schema: TSchema, path = ''): void {
  const place = placeOf(schema) ?? path
  if (NO_MESSAGES.has(schema[Kind])) throw new SchemaError('must describe an object, since every message is one', place)
  for (const member of membersOf(schema)) assertMessage(type, member, place)
  for (const key of ['anyOf', 'allOf', 'oneOf']) {
    for (const [index, member] of (schema[key] as TSchema[] | undefined ?? []).entries()) assertMessage(type, member, `${place}/${key}/${index}`)
  }
  const own = schema.properties?.type as TSchema | undefined
  if (own !== undefined && !canBe(own, type)) throw new SchemaError(`describes messages of another type than "${type}"`, placeOf(own) ?? `${place}/properties/type`)
}

function canBe (schema: TSchema, type: string): boolean {
  const members = membersOf(schema)
  if (members.length > 0) return members.every((member) => canBe(member, type))
  if (schema[Kind] === 'Union') return (schema.anyOf as TSchema[]).some((member) => canBe(member, type))
  return schema[Kind] === 'Literal' ? schema.const === type : schema[Kind] === 'String' || !NO_MESSAGES.has(schema[Kind])
}
