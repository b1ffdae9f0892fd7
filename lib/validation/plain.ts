import { Kind, type TSchema } from '@sinclair/typebox'
import { isPlain } from '../plain-object.js'

/**
 * Finds where a valid value has something other than a plain object in the place of options: TypeBox only looks at fields, so a
 * Map would pass as empty options. null: nowhere. Objects that the schema leaves open are skipped.
 */
export function unplainPath (schema: TSchema, value: unknown, path = ''): string | null {
  if (schema[Kind] === 'Union') return firstOf((schema.anyOf as TSchema[]).map((member) => unplainPath(member, value, path)))
  // `Type.Any` marks a value of which nothing is read: it can be a revoked proxy.
  if (schema[Kind] === 'Any') return null
  if (typeof value !== 'object' || value === null || Array.isArray(value) || schema.additionalProperties !== false) return null
  if (!isPlain(value)) return path
  const { properties = {}, patternProperties = {} } = schema as { properties?: Record<string, TSchema>, patternProperties?: Record<string, TSchema> }
  return firstOf(Object.entries(value).map(([name, field]) => {
    // Unknown names are reported elsewhere.
    const inner = properties[name] ?? Object.values(patternProperties)[0] ?? NOTHING
    return unplainPath(inner, field, `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
  }))
}

const NOTHING = {} as TSchema

function firstOf (paths: ReadonlyArray<string | null>): string | null {
  return paths.find((path) => path !== null) ?? null
}
