import { Kind, type TSchema } from '@sinclair/typebox'
import { ownSchema } from './converted.js'
import type { JsonObject } from './json-keywords.js'
import { SchemaError } from './schema-error.js'

/** Converts `enum` and `const`, without the values that `types` excludes. */
export function literalsOf (json: JsonObject, types: readonly string[] | null): TSchema[] {
  const lists = [...json.enum === undefined ? [] : [json.enum], ...Object.hasOwn(json, 'const') ? [[json.const]] : []]
  return lists.map((values) => {
    const allowed = values.map(asJson).filter((value) => types === null || isOfTypes(value, types))
    const [wholes, scalars] = [true, false].map((isWhole) => allowed.filter((value) => isWhole === (typeof value === 'object' && value !== null)))
    // All objects and arrays are one part, which compares a value with all of them at once.
    const literals = [...scalars!.map(literal), ...wholes!.length === 0 ? [] : [ownSchema({ [Kind]: 'Constant', values: wholes! })]]
    if (literals.length === 0) return { [Kind]: 'Never', not: {} } as unknown as TSchema
    return literals.length === 1 ? literals[0]! : { [Kind]: 'Union', anyOf: literals } as unknown as TSchema
  })
}

/** @throws SchemaError for what no JSON holds */
function asJson (value: unknown): unknown {
  const type = typeOf(value)
  if (!['string', 'number', 'boolean', 'object', 'array', 'null'].includes(type) || Number.isNaN(value)) throw new SchemaError(`has the value ${String(value)}, which JSON cannot express`)
  // The copy is what every document of the schema shows.
  return type === 'object' || type === 'array' ? JSON.parse(JSON.stringify(value)) : value
}

function literal (value: unknown): TSchema {
  const type = typeOf(value)
  return (type === 'null' ? { [Kind]: 'Null', type } : { [Kind]: 'Literal', type, const: value }) as unknown as TSchema
}

function isOfTypes (value: unknown, types: readonly string[]): boolean {
  return types.includes(typeOf(value)) || (types.includes('integer') && Number.isInteger(value))
}

function typeOf (value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
