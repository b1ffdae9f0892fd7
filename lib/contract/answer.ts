import type { TSchema } from '@sinclair/typebox'
import type { AnySchema } from '../any-schema.js'
import { CompiledSchema } from '../validation/compiled-schema.js'
import { fromJsonSchema } from '../validation/from-json-schema.js'
import { toJsonSchema } from '../validation/json-schema.js'

/** The schema of the answers to a kind of question, compiled once for all questions of the kind. */
export class PreparedAnswer {
  /** JSON Schema, as every question of the kind shows it. Frozen, since they share it and the app can read them. */
  readonly schema: TSchema
  /** The check of the JSON, as every node makes it. */
  readonly check: CompiledSchema
  readonly #json: string

  /** @throws SchemaError for a schema that no node could check */
  constructor (schema: AnySchema) {
    this.#json = JSON.stringify(toJsonSchema(schema))
    this.schema = JSON.parse(this.#json, (_key, part) => Object.freeze(part)) as TSchema
    this.check = new CompiledSchema(fromJsonSchema(this.schema))
  }

  /** Tells whether it is the schema of a question, which another version of the app may have asked. */
  isThatOf (question: { answer_schema?: unknown }): boolean {
    return JSON.stringify(question.answer_schema) === this.#json
  }
}
