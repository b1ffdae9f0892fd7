import { TypeGuard, type Static, type TSchema } from '@sinclair/typebox'
import { isStackOverflow } from '../thrown.js'
import { isConverted } from './converted.js'
import { mapHeld } from './holders.js'
import { Node } from './node.js'
import type { Clean, Fault } from './part.js'
import { Preparation } from './preparation.js'
import { SchemaError, asSchemaError } from './schema-error.js'

/** Maximum number of faults reported for one value. */
export const MOST_FAULTS = 10

const TOO_DEEP: Fault = { path: '', message: 'It is nested too deeply to be checked' }
const NO_SCHEMA = new SchemaError('cannot be compiled: it is not a TypeBox schema, or has an invalid keyword')

/** Checks values of a schema: TypeBox's own compiled schema, or one that is safe with untrusted input. */
export interface Checker<T = unknown> {
  Check (value: unknown): value is T
  Errors (value: unknown): Iterable<Fault>
}

/**
 * A compiled schema for untrusted input, which checks in time linear in the value: patterns and formats see no text over its
 * `maxLength`, a linear engine matches patterns, and each definition checks a value only once.
 */
export class CompiledSchema<S extends TSchema = TSchema> implements Checker<Static<S>> {
  readonly #node: Node
  readonly #clean: Clean | null
  readonly #definitions: ReadonlySet<{ forget (): void }>
  /** True without definitions, so nothing has to be reset. */
  readonly #isPlain: boolean

  /**
   * @throws SchemaError for schemas that TypeBox cannot compile, formats missing in its FormatRegistry, and patterns that have no
   *   `maxLength` of at most 1000 or that the engine cannot match
   */
  constructor (schema: S) {
    if (!isConverted(schema)) assertSchema(schema)
    const preparation = new Preparation()
    this.#node = compile(preparation, schema)
    this.#definitions = preparation.definitions
    this.#isPlain = preparation.definitions.size === 0
    this.#clean = this.#node.clean
  }

  Check (value: unknown): value is Static<S> {
    return this.#isPlain ? this.#node.check(value) : this.#once(() => withinStack(() => this.#node.check(value), false))
  }

  /** Lists the faults of a value that failed the check, ten at most. */
  Errors (value: unknown): Fault[] {
    return this.#once(() => withinStack(() => this.#faults(value), [TOO_DEEP]))
  }

  /** Removes unknown fields from a valid value; returns the same value if there are none. */
  Clean<T> (value: T): T {
    const clean = this.#clean
    if (clean === null) return value
    return (this.#isPlain ? clean(value) : this.#once(() => clean(value))) as T
  }

  #faults (value: unknown): Fault[] {
    const faults: Fault[] = []
    for (const fault of this.#node.faults(value)) {
      faults.push(fault)
      if (faults.length === MOST_FAULTS) break
    }
    return faults
  }

  #once<T> (run: () => T): T {
    try {
      return run()
    } finally {
      for (const definition of this.#definitions) definition.forget()
    }
  }
}

/** @param overflow result for a value that is nested more deeply than the stack allows; only a schema with definitions can follow it there */
function withinStack<T> (run: () => T, overflow: T): T {
  try {
    return run()
  } catch (error) {
    if (isStackOverflow(error)) return overflow
    throw error
  }
}

/** @throws SchemaError */
export function assertSchema (schema: unknown): asserts schema is TSchema {
  if (!TypeGuard.IsSchema(schema)) throw faultIn(schema)
}

/** Finds the innermost faulty part. */
function faultIn (schema: unknown): SchemaError {
  if (typeof schema !== 'object' || schema === null) return NO_SCHEMA
  let fault: SchemaError | null = null
  mapHeld(schema as TSchema, (held, path) => {
    if (fault === null && !TypeGuard.IsSchema(held)) fault = faultIn(held).below(path)
    return held
  })
  const { pattern } = schema as { pattern?: unknown }
  return fault ?? (typeof pattern !== 'string' || isRegularExpression(pattern) ? NO_SCHEMA : new SchemaError(`cannot be compiled: the pattern ${pattern} is not a regular expression`))
}

function isRegularExpression (pattern: string): boolean {
  try {
    return RegExp(pattern) !== null
  } catch {
    return false
  }
}

function compile (preparation: Preparation, schema: TSchema): Node {
  try {
    return new Node(preparation.prepare(schema))
  } catch (error) {
    throw asSchemaError(error, 'cannot be compiled').below(preparation.path)
  }
}
