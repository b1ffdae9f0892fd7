import { Kind, type TSchema } from '@sinclair/typebox'
import type { TypeCheck } from '@sinclair/typebox/compiler'
import { ValueErrorType, type ValueError } from '@sinclair/typebox/errors'
import { nearestName } from '../nearest-name.js'
import { messageOf } from '../thrown.js'
import { partOf, type Fault } from './part.js'
import { unplainPath } from './plain.js'

/** What is wrong with a value that a developer gave. */
export interface Reason extends Fault {
  /** The schema of the place; null: the value cannot be read, or is no plain object. */
  schema: TSchema | null
  value: unknown
}

/** Finds what is wrong with a value of the app's; null: nothing. Never throws, whatever the value's getters do. */
export function reasonAgainst (check: Pick<TypeCheck<TSchema>, 'Check' | 'Errors' | 'Schema'>, given: unknown): Reason | null {
  try {
    if (!check.Check(given)) {
      const { path, schema, value, message, type } = innermost(check.Errors(given).First()!)
      const near = type === ValueErrorType.ObjectAdditionalProperties ? nearestName(nameIn(path), Object.keys(schema.properties ?? {})) : null
      return { path, schema, value, message: near === null ? unionMessage(type, schema) ?? message : `${message}, did you mean "${near}"?` }
    }
    const path = unplainPath(check.Schema(), given)
    return path === null ? null : { path, schema: null, value: given, message: 'Expected a plain object' }
  } catch (thrown) {
    return { path: '', schema: null, value: undefined, message: `It cannot be read (${messageOf(thrown)})` }
  }
}

/** Says which values a union takes, in place of TypeBox's "Expected union value". null: the fault is another one. */
export function unionMessage (type: unknown, schema: TSchema): string | null {
  if (type !== ValueErrorType.Union) return null
  const kinds = kindsOf(schema)
  return kinds.length > 2 ? `Expected one of ${kinds.join(', ')}` : `Expected ${kinds.join(' or ')}`
}

/** Writes the path of a fault as JavaScript does: `.origins[1]`. */
export function placeOf (path: string): string {
  return path.split('/').slice(1).map((name) => /^\d+$/.test(name) ? `[${name}]` : `.${unescape(name)}`).join('')
}

/** Of alternatives the fault within what was given says more than that none of them fits. */
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
