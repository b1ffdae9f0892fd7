import type { Static } from 'typebox'

/** A schema of TypeBox 0.34. Its CommonJS and ESM builds declare the same schemas with distinct symbols, so `TSchema` of one does not accept schemas of the other. */
interface TypeBoxSchema {
  params: unknown[]
  static: unknown
}

/** A schema of `@sinclair/typebox` 0.34, one of `typebox` 1.x, or a JSON Schema. */
export type AnySchema = object

/** The type of values that a schema describes; `unknown` where it cannot be inferred. */
export type StaticOf<S extends AnySchema> = S extends TypeBoxSchema ? (S & { params: [] })['static'] : Static<S>
