import type { TSchema } from '@sinclair/typebox'

/**
 * A TypeBox schema from either build of TypeBox. The CommonJS and ESM builds declare the same schemas with distinct symbols, so
 * `TSchema` of one does not accept schemas of the other.
 */
export interface AnySchema {
  params: unknown[]
  static: unknown
}

/** The type of values that a schema describes. */
export type StaticOf<S extends AnySchema> = (S & { params: [] })['static']

/** Casts a schema to this package's own build of TypeBox. */
export function toTypeBox (schema: AnySchema): TSchema {
  return schema as TSchema
}
