import { isPlain } from '../plain-object.js'
import { SchemaError } from './schema-error.js'

/**
 * Maximum nesting of a schema, levels of objects and lists: about a hundred schemas within each other. Without it the stack would decide,
 * which differs from process to process.
 */
const MOST_LEVELS = 200

/** @throws SchemaError for a level beyond the maximum */
export function assertLevel (level: number): void {
  if (level >= MOST_LEVELS) throw new SchemaError(`is nested deeper than ${MOST_LEVELS} levels`)
}

/**
 * @throws SchemaError for a schema that contains itself as an object, so that it could neither be converted nor be written as JSON, and for
 *   one that is nested too deeply
 */
export function assertFinite (schema: object): void {
  assertPart(schema, '', new Set(), new Set())
}

/**
 * @param around objects that contain the part
 * @param done parts that contain no such object, so that one that appears often is searched once
 */
function assertPart (part: unknown, path: string, around: Set<unknown>, done: Set<unknown>): void {
  if (typeof part !== 'object' || part === null || done.has(part) || !(Array.isArray(part) || isPlain(part))) return
  if (around.has(part)) throw new SchemaError('contains itself: refer to it with $ref instead', path)
  assertLevel(around.size)
  around.add(part)
  for (const [name, inner] of Object.entries(part)) assertPart(inner, `${path}/${name}`, around, done)
  around.delete(part)
  done.add(part)
}
