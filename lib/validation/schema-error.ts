import { messageOf } from '../thrown.js'

/** A schema that cannot be used. The message completes the words "its schema": it says what the schema has or lacks, and where. */
export class SchemaError extends Error {
  readonly #fault: string
  readonly #path: string

  /** @param path JSON Pointer of the part at fault */
  constructor (fault: string, path = '') {
    super(path === '' ? fault : `${fault} (at ${path})`)
    this.#fault = fault
    this.#path = path
  }

  /** Returns the same error with its place, unless it has one. */
  at (path: string): SchemaError {
    return this.#path === '' ? new SchemaError(this.#fault, path) : this
  }

  /** Returns the same error for a schema that contains this one. */
  below (path: string): SchemaError {
    return new SchemaError(this.#fault, path + this.#path)
  }
}

/** Turns whatever was thrown while a schema was read or compiled into an error about the schema. */
export function asSchemaError (thrown: unknown, instead = 'cannot be read'): SchemaError {
  return thrown instanceof SchemaError ? thrown : new SchemaError(`${instead}: ${messageOf(thrown)}`)
}
