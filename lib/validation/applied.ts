import type { Definition } from './definition.js'
import { SchemaError } from './schema-error.js'

/** Records which definitions each definition applies to its own value, so that one whose check would not end is found. */
export class Applied {
  readonly #applied = new Map<Definition, { path: string, others: Set<Definition> }>()
  /** The definition whose own value the schemas that are being prepared apply to; null: none, or a part of its value. */
  #current: { definition: Definition, path: string } | null = null

  /** Runs what prepares schemas for the value of a definition. @param path JSON Pointer of the definition */
  byDefinition<T> (definition: Definition, path: string, prepare: () => T): T {
    return this.#with({ definition, path }, prepare)
  }

  /** Runs what prepares schemas for parts of a value. */
  toParts<T> (prepare: () => T): T {
    return this.#with(null, prepare)
  }

  add (other: Definition): void {
    if (this.#current === null) return
    const { definition, path } = this.#current
    const own = this.#applied.get(definition) ?? { path, others: new Set() }
    this.#applied.set(definition, { path, others: own.others.add(other) })
  }

  /** @throws SchemaError for a definition that applies itself to its own value */
  assertEnd (): void {
    for (const definition of this.#applied.keys()) this.#assertEnds(definition, new Set())
  }

  #assertEnds (definition: Definition, through: Set<Definition>): void {
    const own = this.#applied.get(definition)
    if (own === undefined) return
    if (through.has(definition)) throw new SchemaError('refers to itself without end', own.path)
    through.add(definition)
    for (const other of own.others) this.#assertEnds(other, through)
    through.delete(definition)
    this.#applied.delete(definition)
  }

  #with<T> (current: { definition: Definition, path: string } | null, prepare: () => T): T {
    const outer = this.#current
    this.#current = current
    const prepared = prepare()
    this.#current = outer
    return prepared
  }
}
