import { Type, type TProperties, type TSchema } from '@sinclair/typebox'
import { InvalidHandlerError } from '../errors.js'
import { CompiledSchema } from '../validation/compiled-schema.js'
import { isTypeBox, readSchema, toJsonSchema } from '../validation/json-schema.js'
import { asSchemaError } from '../validation/schema-error.js'
import { withEnvelope } from './envelope.js'
import { assertMessage } from './message-schema.js'

/** Makes the error for a schema that cannot be used; the reason is a sentence about "its schema". */
export type Refuse = (reason: string) => Error

/** Refuses a handler or its schema. */
export const asHandler = (type: string): Refuse => (reason) => new InvalidHandlerError(`The handler for "${type}"`, reason)

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
 * Compiles a schema of messages, which may also have the fields of the envelope. Those stay in a message that is cleaned, also where the
 * schema is of a kind that cannot name them.
 *
 * @throws as `compile`, and for a schema that no message of the type can match
 */
export function compileMessage (
  refuse: Refuse, type: string, given: unknown, envelope: TProperties, part = 'schema'
): { schema: TSchema, check: CompiledSchema } {
  return named(refuse, part, () => {
    const converted = readSchema(given, Type.Object(envelope))
    const check = new CompiledSchema(converted)
    const isOwn = isTypeBox(given)
    assertMessage(type, isOwn ? given : converted)
    return { schema: isOwn ? withEnvelope(given, envelope) : documentOf(given), check }
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
    throw refuse(`its ${part} ${asSchemaError(error).message}`)
  }
}
