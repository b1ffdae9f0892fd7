import { Kind, TypeRegistry, type TSchema } from '@sinclair/typebox'

/** One thing that is wrong with a value: where (a JSON Pointer, RFC 6901) and what. */
export interface Fault { path: string, message: string }

/** Returns a value without the fields that its schema does not name: the same value where there are none. */
export type Clean = (value: unknown) => unknown

/** A part of a schema that is checked here and not by TypeBox. */
export interface Part {
  check: (value: unknown) => boolean
  /** Says why a value failed the check. */
  faults: (value: unknown) => Iterable<Fault>
  /** null: there is nothing to remove. Asked when the whole schema is compiled. */
  readonly clean: Clean | null
  /** What kind of value it takes, for the faults of a union; undefined: several. */
  readonly expects?: string
}

const PART = 'fastify-ws-manager'

interface PartSchema extends TSchema { part: Part }

TypeRegistry.Set<PartSchema>(PART, ({ part }, value) => part.check(value))

/** Makes a part a schema that TypeBox compiles into the whole, and asks again when it looks for faults. */
export function toSchema (part: Part): TSchema {
  return { [Kind]: PART, part } as unknown as TSchema
}

export function partOf (schema: TSchema): Part | null {
  return schema[Kind] === PART ? (schema as PartSchema).part : null
}
