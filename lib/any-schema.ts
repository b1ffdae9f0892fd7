import type { TSchema } from '@sinclair/typebox'

/**
 * A TypeBox schema of either build of TypeBox. Those for CommonJS and for ES modules declare the same schemas with symbols of their
 * own, so `TSchema` of one does not accept the other's.
 */
export interface AnySchema {
  params: unknown[]
  static: unknown
}

/** The type of the values that a schema describes. */
export type StaticOf<S extends AnySchema> = (S & { params: [] })['static']

/** The same schema as this package's own build of TypeBox declares it. */
export function toTypeBox (schema: AnySchema): TSchema {
  return schema as TSchema
}
