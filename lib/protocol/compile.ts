import { FormatRegistry, Kind, PatternNumberExact, PatternStringExact, type TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import { InvalidHandlerError } from '../errors.js'
import { MAX_PATTERN_TEXT, isCatastrophic } from './pattern-cost.js'

const ANY_KEY: ReadonlySet<string> = new Set([PatternStringExact, PatternNumberExact])

/**
 * Compiles a schema of the app.
 *
 * @param type of the messages that it is for
 * @throws WSM_ERR_INVALID_HANDLER, also for a format that is not in TypeBox's FormatRegistry: every message would be
 *   refused for it; and for a pattern that a client could keep the server busy with
 */
export function compile (type: string, schema: TSchema): TypeCheck<TSchema> {
  let check
  try {
    check = TypeCompiler.Compile(schema)
  } catch (error) {
    throw new InvalidHandlerError(type, `its schema cannot be compiled: ${(error as Error).message}`)
  }
  const fault = schemaFault(schema)
  if (fault !== null) throw new InvalidHandlerError(type, `its schema has ${fault}`)
  return check
}

/** What is wrong with a schema that can be compiled; null: nothing. */
export function schemaFault (part: unknown): string | null {
  if (typeof part !== 'object' || part === null) return null
  const fault = formatFault(part) ?? patternFault(part)
  if (fault !== null) return fault
  for (const inner of Object.values(part)) {
    const found = schemaFault(inner)
    if (found !== null) return found
  }
  return null
}

interface Part {
  [Kind]?: string
  format?: unknown
  pattern?: unknown
  source?: unknown
  maxLength?: unknown
  patternProperties?: object
}

function formatFault ({ [Kind]: kind, format }: Part): string | null {
  const isUnknown = kind === 'String' && typeof format === 'string' && !FormatRegistry.Has(format)
  return isUnknown ? `the format "${format}", which FormatRegistry.Set() of TypeBox must define first` : null
}

/** A `Type.String` with a pattern, a `Type.RegExp`, a template literal, and the keys of a record. */
function patternFault (part: Part): string | null {
  const { [Kind]: kind, pattern, source, maxLength, patternProperties } = part
  if (kind === 'Record') return keyFault(Object.keys(patternProperties!)[0]!)
  const given = kind === 'RegExp' ? source : pattern
  if ((kind !== 'String' && kind !== 'RegExp' && kind !== 'TemplateLiteral') || typeof given !== 'string') return null
  // What a template literal allows is bounded by itself where it is a choice of texts.
  if (kind === 'TemplateLiteral') return /[*+{]/.test(given) ? 'a template literal of any length: write it as a String with a pattern and a maxLength' : null
  if (typeof maxLength !== 'number' || maxLength > MAX_PATTERN_TEXT) return `the pattern ${given} without a maxLength of ${MAX_PATTERN_TEXT} at the most`
  return isCatastrophic(given, maxLength) ? `the pattern ${given}, which takes too long on texts of ${maxLength} characters` : null
}

/** The length of a key cannot be bounded: only TypeBox's own patterns, for any text and for numbers, will do. */
function keyFault (pattern: string): string | null {
  return ANY_KEY.has(pattern) || !/[*+{]/.test(pattern) ? null : `keys of the pattern ${pattern}, whose length has no bound: look at keys in the handler`
}
