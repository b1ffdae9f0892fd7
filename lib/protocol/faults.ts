import type { Static, TSchema } from '@sinclair/typebox'
import type { TypeCheck } from '@sinclair/typebox/compiler'
import { InvalidMessageError, withDetails, type DetailedError } from '../errors.js'

/** One thing that is wrong with a message: where (a JSON Pointer, RFC 6901) and what. */
export interface Fault { path: string, message: string }

const MOST_FAULTS = 10

/** What a schema finds wrong with a value, ten faults at the most. */
export function faultsOf (check: TypeCheck<TSchema>, value: unknown): Fault[] {
  const faults: Fault[] = []
  for (const { path, message } of check.Errors(value)) {
    faults.push({ path, message })
    if (faults.length === MOST_FAULTS) break
  }
  return faults
}

/** The one error for all of them: the first in words, every one in `details`. */
export function invalidMessage (faults: Fault[]): DetailedError {
  const { path, message } = faults[0]!
  return withDetails(new InvalidMessageError(`${path === '' ? 'the message' : path}: ${message}`), faults)
}

/** Says of faults of a part where they are in the whole. */
export function below (parent: string): (fault: Fault) => Fault {
  return ({ path, message }) => ({ path: parent + path, message })
}

/** @throws WSM_ERR_INVALID_MESSAGE */
export function assertValid<S extends TSchema> (check: TypeCheck<S>, value: unknown): asserts value is Static<S> {
  if (!check.Check(value)) throw invalidMessage(faultsOf(check, value))
}
