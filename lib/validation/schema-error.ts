/** A schema that cannot be used. The message says what it has or lacks and where, to follow "its schema". */
export class SchemaError extends Error {
  readonly #fault: string
  readonly #path: string

  /** @param path of the part at fault, a JSON Pointer */
  constructor (fault: string, path = '') {
    super(path === '' ? fault : `${fault} (at ${path})`)
    this.#fault = fault
    this.#path = path
  }

  /** The same of a schema that holds this one. */
  below (path: string): SchemaError {
    return new SchemaError(this.#fault, path + this.#path)
  }
}
