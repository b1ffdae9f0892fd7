import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import { ValueErrorType } from '@sinclair/typebox/errors'
import { cleanerOf } from './clean.js'
import { partOf, type Clean, type Fault, type Part } from './part.js'
import { unionMessage } from './reason.js'

/** A prepared schema, compiled. */
export class Node implements Part {
  readonly clean: Clean | null
  readonly #compiled: TypeCheck<TSchema>

  /** @throws the error of TypeBox for a schema that it cannot compile */
  constructor (schema: TSchema) {
    this.#compiled = TypeCompiler.Compile(schema)
    this.clean = cleanerOf(schema)
  }

  check (value: unknown): boolean {
    return this.#compiled.Check(value)
  }

  * faults (value: unknown): Iterable<Fault> {
    for (const { type, schema, path, value: inner, message } of this.#compiled.Errors(value)) {
      const part = type === ValueErrorType.Kind ? partOf(schema) : null
      if (part === null) yield { path, message: unionMessage(type, schema) ?? message }
      else for (const fault of part.faults(inner)) yield { path: path + fault.path, message: fault.message }
    }
  }
}
