import { Kind, type TSchema } from '@sinclair/typebox'
import type { TypeCheck } from '@sinclair/typebox/compiler'
import { ValueErrorType, type ValueError } from '@sinclair/typebox/errors'
import { nearestName } from '../nearest-name.js'
import { messageOf } from '../thrown.js'
import { partOf, type Fault } from './part.js'
import { unplainPath } from './plain.js'

/** Fault of a value that a developer gave. */
export interface Reason extends Fault {
  /** Schema at that path; null: the value is unreadable or not a plain object. */
  schema: TSchema | null
  value: unknown
}

/** Finds what is wrong with a value of the app; null: nothing. Never throws, whatever the value's getters do. */
export function reasonAgainst (check: Pick<TypeCheck<TSchema>, 'Check' | 'Errors' | 'Schema'>, input: unknown): Reason | null {
  try {
    if (!check.Check(input)) {
      const { path, schema, value, message, type } = innermost(check.Errors(input).First()!)
      const near = type === ValueErrorType.ObjectAdditionalProperties ? nearestName(nameIn(path), Object.keys(schema.properties ?? {})) : null
      return { path, schema, value, message: near === null ? unionMessage(type, schema) ?? message : `${message}, did you mean "${near}"?` }
    }
    const path = unplainPath(check.Schema(), input)
    return path === null ? null : { path, schema: null, value: input, message: 'Expected a plain object' }
  } catch (thrown) {
    return { path: '', schema: null, value: undefined, message: `It cannot be read (${messageOf(thrown)})` }
  }
}

/** Lists the values that a union accepts, instead of TypeBox's "Expected union value". null: another kind of fault. */
export function unionMessage (type: unknown, schema: TSchema): string | null {
  if (type !== ValueErrorType.Union) return null
  const kinds = kindsOf(schema)
  return kinds.length > 2 ? `Expected one of ${kinds.join(', ')}` : `Expected ${kinds.join(' or ')}`
}

/** Formats the path of a fault as JavaScript: `.origins[1]`. */
export function placeOf (path: string): string {
  return path.split('/').slice(1).map((name) => /^\d+$/.test(name) ? `[${name}]` : `.${unescape(name)}`).join('')
}

/** Picks the fault within an alternative, which says more than that no alternative matches. */
function innermost (error: ValueError): ValueError {
  const inside = error.errors.map((errors) => errors.First()).find((inner) => inner !== undefined && inner.path !== error.path)
  return inside === undefined ? error : innermost(inside)
}

function kindsOf (schema: TSchema): string[] {
  if (schema[Kind] === 'Union') return [...new Set((schema.anyOf as TSchema[]).flatMap(kindsOf))]
  if ('const' in schema) return [typeof schema.const === 'string' ? `"${schema.const}"` : String(schema.const)]
  return [partOf(schema)?.expects ?? (typeof schema.type === 'string' ? schema.type.toLowerCase() : 'another kind of value')]
}

function nameIn (path: string): string {
  return unescape(path.slice(path.lastIndexOf('/') + 1))
}

/** RFC 6901 section 4. */
function unescape (name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~')
}
