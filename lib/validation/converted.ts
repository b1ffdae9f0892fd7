import { Kind, type TSchema } from '@sinclair/typebox'

/** JSON Pointer of the JSON Schema that a schema was made from. */
export const Place: unique symbol = Symbol('fastify-ws-manager.place')

/** Schema of a field that may have any value. It stands for a field of the envelope that the app's schema does not name. */
export const ANY_FIELD = { [Kind]: 'Unknown' } as unknown as TSchema

/** A member of `Siblings`. Neutral: it names no field, so it has no say in which fields are kept. */
export interface Member { schema: TSchema, isNeutral: boolean }

interface Common {
  [Place]?: string
}

/** An object with patterns of keys beside names, or with a number of fields that does not count the envelope. */
interface FieldsSchema {
  [Kind]: 'Fields'
  fields: ReadonlyMap<string, TSchema>
  required: readonly string[]
  patterns: ReadonlyMap<string, TSchema>
  others: TSchema | boolean | undefined
  exempt: readonly string[]
  minProperties?: number
  maxProperties?: number
}

/** Kinds of schema beside those of TypeBox. Only `Preparation` understands them, and makes each a part of our own. */
export type OwnSchema = Common & (
  | { [Kind]: 'Converted', $defs: Record<string, TSchema>, schema: TSchema }
  | { [Kind]: 'Siblings', members: readonly Member[] }
  | { [Kind]: 'OneOf', oneOf: readonly TSchema[] }
  | { [Kind]: 'Condition', if: TSchema, then?: TSchema | undefined, else?: TSchema | undefined }
  | { [Kind]: 'Constant', values: readonly unknown[] }
  | { [Kind]: 'Contains', contains: TSchema, minContains: number, maxContains: number }
  | { [Kind]: 'Prefixed', prefixItems: readonly TSchema[], items: TSchema | boolean, minItems: number, maxItems: number, uniqueItems: boolean }
  | FieldsSchema
  | { [Kind]: 'Present', schema: TSchema })

/** Makes a schema of one of our own kinds pass for one of TypeBox, so that each can contain the other. */
export function ownSchema (schema: OwnSchema): TSchema {
  return schema as unknown as TSchema
}

/** Returns true for a schema as a whole that was made from JSON Schema. */
export function isConverted (schema: TSchema): boolean {
  return schema[Kind] === 'Converted'
}

/** Returns the JSON Pointer of the JSON Schema that a schema was made from; undefined: it was made from none. */
export function placeOf (schema: TSchema): string | undefined {
  return (schema as Common)[Place]
}

/** Returns the name of a definition as the schema of a whole message. Parts of the message use the definition itself. */
export function messageName (name: string): string {
  return `${name} message`
}

/** Returns the schemas that a schema of our own kinds applies to the same value, all at once. */
export function membersOf (schema: TSchema): readonly TSchema[] {
  const own = schema as unknown as OwnSchema
  switch (own[Kind]) {
    case 'Converted': return [own.schema]
    case 'Siblings': return own.members.map(({ schema: member }) => member)
    default: return []
  }
}
