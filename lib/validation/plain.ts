import { Kind, type TSchema } from '@sinclair/typebox'

/** Whether it is made by a literal, of whatever realm, or without a prototype: no class instance, Map or Date, and no array. */
export function isPlain (value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/**
 * Finds where a value that passed the check of a schema has something else than a plain object in the place of options: TypeBox
 * looks at fields alone, so that a Map would be options without any. null: nowhere. Objects that the schema leaves open are not looked at.
 */
export function unplainPath (schema: TSchema, value: unknown, path = ''): string | null {
  if (schema[Kind] === 'Union') return firstOf((schema.anyOf as TSchema[]).map((member) => unplainPath(member, value, path)))
  if (typeof value !== 'object' || value === null || Array.isArray(value) || schema.additionalProperties !== false) return null
  if (!isPlain(value)) return path
  const { properties = {}, patternProperties = {} } = schema as { properties?: Record<string, TSchema>, patternProperties?: Record<string, TSchema> }
  return firstOf(Object.entries(value).map(([name, field]) => {
    // A name that there is not is another fault.
    const inner = properties[name] ?? Object.values(patternProperties)[0] ?? NOTHING
    return unplainPath(inner, field, `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
  }))
}

const NOTHING = {} as TSchema

function firstOf (paths: ReadonlyArray<string | null>): string | null {
  return paths.find((path) => path !== null) ?? null
}
