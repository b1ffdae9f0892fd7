import { Kind, type TProperties, type TSchema } from '@sinclair/typebox'
import { InvalidHandlerError } from '../errors.js'
import { messageOf } from '../thrown.js'
import { CompiledSchema } from '../validation/compiled-schema.js'
import { SchemaError } from '../validation/schema-error.js'
import { withEnvelope } from './envelope.js'

/** Kinds of schema that no message can match, since messages are objects. */
const NO_MESSAGES: ReadonlySet<unknown> = new Set(['String', 'Number', 'Integer', 'BigInt', 'Boolean', 'Null', 'Undefined', 'Literal', 'Array', 'Tuple', 'Date', 'RegExp', 'TemplateLiteral'])

/**
 * Compiles a schema of the app.
 *
 * @param type of the messages
 * @param part the schema's name in the handler's options
 * @throws WSM_ERR_INVALID_HANDLER, also for a format that is not in TypeBox's FormatRegistry: every message would be
 *   refused for it; and for a pattern without a `maxLength` of 1000 at the most, or that takes more than linear time
 */
export function compile<S extends TSchema> (type: string, schema: S, part = 'schema'): CompiledSchema<S> {
  return named(type, part, () => new CompiledSchema(schema))
}

/**
 * Compiles a schema of messages, which may also have the fields of the envelope.
 *
 * @param kept whether fields of the envelope stay in a message, also where the schema is of a kind that cannot name them
 * @throws as `compile`, and for a schema that no message of the type can match
 */
export function compileMessage (type: string, given: TSchema, envelope: TProperties, kept: boolean): { schema: TSchema, check: CompiledSchema } {
  return named(type, 'schema', () => {
    assertMessage(type, given)
    const schema = withEnvelope(given, envelope)
    return { schema, check: new CompiledSchema(schema, kept && schema[Kind] !== 'Object' ? Object.keys(envelope) : []) }
  })
}

function named<T> (type: string, part: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw new InvalidHandlerError(type, `its ${part} ${error instanceof SchemaError ? error.message : `cannot be read: ${messageOf(error)}`}`)
  }
}

/** @throws SchemaError */
function assertMessage (type: string, schema: TSchema, path = ''): void {
  if (NO_MESSAGES.has(schema[Kind])) throw new SchemaError('must describe an object, since every message is one', path)
  for (const key of ['anyOf', 'allOf']) {
    for (const [index, member] of (schema[key] as TSchema[] | undefined ?? []).entries()) assertMessage(type, member, `${path}/${key}/${index}`)
  }
  const own = schema.properties?.type as TSchema | undefined
  if (own !== undefined && !canBe(own, type)) throw new SchemaError(`describes messages of another type than "${type}"`, `${path}/properties/type`)
}

function canBe (schema: TSchema, type: string): boolean {
  if (schema[Kind] === 'Union') return (schema.anyOf as TSchema[]).some((member) => canBe(member, type))
  return schema[Kind] === 'Literal' ? schema.const === type : schema[Kind] === 'String' || !NO_MESSAGES.has(schema[Kind])
}
