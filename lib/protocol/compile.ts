import { FormatRegistry, Kind, type TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import { InvalidHandlerError } from '../errors.js'

/**
 * Compiles a schema of the app.
 *
 * @param type of the messages that it is for
 * @throws WSM_ERR_INVALID_HANDLER, also for a format that is not in TypeBox's FormatRegistry: every message would be
 *   refused for it
 */
export function compile (type: string, schema: TSchema): TypeCheck<TSchema> {
  let check
  try {
    check = TypeCompiler.Compile(schema)
  } catch (error) {
    throw new InvalidHandlerError(type, `its schema cannot be compiled: ${(error as Error).message}`)
  }
  const format = unknownFormat(schema)
  if (format !== undefined) throw new InvalidHandlerError(type, `its schema has the format "${format}", which FormatRegistry.Set() of TypeBox must define first`)
  return check
}

function unknownFormat (part: unknown): string | undefined {
  if (typeof part !== 'object' || part === null) return undefined
  const { [Kind]: kind, format } = part as { [Kind]?: string, format?: unknown }
  if (kind === 'String' && typeof format === 'string' && !FormatRegistry.Has(format)) return format
  for (const inner of Object.values(part)) {
    const found = unknownFormat(inner)
    if (found !== undefined) return found
  }
  return undefined
}
