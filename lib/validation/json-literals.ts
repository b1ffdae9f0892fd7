import { Kind, type TSchema } from '@sinclair/typebox'
import { ownSchema } from './converted.js'
import type { JsonObject } from './json-keywords.js'
import { SchemaError } from './schema-error.js'

/** Converts `enum` and `const`, without the values that `types` excludes. */
export function literalsOf (json: JsonObject, types: readonly string[] | null): TSchema[] {
  const lists = [...json.enum === undefined ? [] : [json.enum], ...Object.hasOwn(json, 'const') ? [[json.const]] : []]
  return lists.map((values) => {
    const literals = values.map(literal).filter((_, index) => types === null || isOfTypes(values[index], types))
    if (literals.length === 0) return { [Kind]: 'Never', not: {} } as unknown as TSchema
    return literals.length === 1 ? literals[0]! : { [Kind]: 'Union', anyOf: literals } as unknown as TSchema
  })
}

/** @throws SchemaError for what no JSON holds */
function literal (value: unknown): TSchema {
  const type = typeOf(value)
  if (type === 'null') return { [Kind]: 'Null', type } as unknown as TSchema
  if (type === 'object' || type === 'array') return ownSchema({ [Kind]: 'Constant', const: value })
  if (!['string', 'number', 'boolean'].includes(type) || Number.isNaN(value)) throw new SchemaError(`has the value ${String(value)}, which JSON cannot express`)
  return { [Kind]: 'Literal', type, const: value } as unknown as TSchema
}

function isOfTypes (value: unknown, types: readonly string[]): boolean {
  return types.includes(typeOf(value)) || (types.includes('integer') && Number.isInteger(value))
}

function typeOf (value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
