import type { TSchema } from '@sinclair/typebox'
import { InvalidHandlerError } from '../errors.js'
import { CompiledSchema } from '../validation/compiled-schema.js'

/**
 * Compiles a schema of the app.
 *
 * @param type of the messages that it is for
 * @param kept fields that stay in a message, whether the schema names them or not
 * @throws WSM_ERR_INVALID_HANDLER, also for a format that is not in TypeBox's FormatRegistry: every message would be
 *   refused for it; and for a pattern without a `maxLength` of 1000 at the most, or that takes more than linear time
 */
export function compile<S extends TSchema> (type: string, schema: S, kept?: readonly string[]): CompiledSchema<S> {
  try {
    return new CompiledSchema(schema, kept)
  } catch (error) {
    throw new InvalidHandlerError(type, `its schema ${(error as Error).message}`)
  }
}
