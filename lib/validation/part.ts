import { Kind, TypeRegistry, type TSchema } from '@sinclair/typebox'

/** A fault of a value: where (a JSON Pointer, RFC 6901) and what. */
export interface Fault { path: string, message: string }

/** Returns a value without unknown fields; the same value if there are none. */
export type Clean = (value: unknown) => unknown

/** A part of a schema that is checked here instead of by TypeBox. */
export interface Part {
  check: (value: unknown) => boolean
  /** Lists the faults of a value that failed the check. */
  faults: (value: unknown) => Iterable<Fault>
  /** null: nothing to remove. Read once the whole schema is compiled. */
  readonly clean: Clean | null
  /** Kind of value that it accepts, for the faults of a union; undefined: several. */
  readonly expects?: string
}

const PART = 'fastify-ws-manager'

interface PartSchema extends TSchema { part: Part }

TypeRegistry.Set<PartSchema>(PART, ({ part }, value) => part.check(value))

/** Wraps a part as a schema that TypeBox compiles into the whole, and queries again for faults. */
export function toSchema (part: Part): TSchema {
  return { [Kind]: PART, part } as unknown as TSchema
}

export function partOf (schema: TSchema): Part | null {
  return schema[Kind] === PART ? (schema as PartSchema).part : null
}
