import type { ValueError } from '@sinclair/typebox/errors'
import { InvalidMessageError } from '../errors.js'
import { withDetails, type DetailedError } from '../wire-error.js'
import { MOST_FAULTS, type Checker, type CompiledSchema } from './compiled-schema.js'
import type { Fault } from './part.js'
import { unionMessage } from './reason.js'

export type { Fault } from './part.js'

/** Limits the length of a reported path: it consists of the client's keys, which can be as long as its frame. */
const MOST_CHARACTERS = 256

/** Lists the faults of a value that failed a check, ten at most. */
export function faultsOf (check: Checker, value: unknown): Fault[] {
  const faults: Fault[] = []
  for (const fault of check.Errors(value)) {
    // A check compiled by TypeBox yields TypeBox's own faults, with more fields.
    const { path, message, type, schema } = fault as Fault & Partial<ValueError>
    faults.push({ path: cut(path), message: cut((schema && unionMessage(type, schema)) ?? message) })
    if (faults.length === MOST_FAULTS) break
  }
  // A format function of the app may answer differently the second time.
  return faults.length === 0 ? [{ path: '', message: 'Expected a value of the schema' }] : faults
}

/** Creates the error for a list of faults: the first in words, all of them in `details`. */
export function invalidMessage (faults: Fault[]): DetailedError {
  const { path, message } = faults[0]!
  return withDetails(new InvalidMessageError(`${path === '' ? 'the message' : path}: ${message}`), faults)
}

/** Prefixes a part's faults with its path in the whole. */
export function below (parent: string): (fault: Fault) => Fault {
  return ({ path, message }) => ({ path: parent + path, message })
}

/** Reports keys of a client's map as unknown, ten at most. */
export function unknownKeys (parent: string, keys: readonly string[], message: string): DetailedError {
  return invalidMessage(keys.slice(0, MOST_FAULTS).map((key) => ({ path: cut(`${parent}/${key.replace(/~/g, '~0').replace(/\//g, '~1')}`), message })))
}

/** Prefixes the faults of a message with its path in the request; returns other errors unchanged. */
export function partOfRequest (parent: string, error: unknown): unknown {
  return error instanceof InvalidMessageError ? invalidMessage(((error as DetailedError).details as Fault[]).map(below(parent))) : error
}

/** @throws WSM_ERR_INVALID_MESSAGE */
export function assertValid<T> (check: Checker<T>, value: unknown): asserts value is T {
  if (!check.Check(value)) throw invalidMessage(faultsOf(check, value))
}

/**
 * Checks a message of a client, and removes its unknown fields. Hot: a message without any is checked once.
 *
 * @param path JSON Pointer of the message in what the client sent
 * @throws WSM_ERR_INVALID_MESSAGE also for a message that is valid only with fields that are removed: its handler could not rely on the schema
 */
export function checkedMessage<T> (check: Checker & Pick<CompiledSchema, 'Clean'>, message: T, path = ''): T {
  assertAt(check, message, path)
  const cleaned = check.Clean(message)
  if (cleaned !== message) assertAt(check, cleaned, path)
  return cleaned
}

/** @throws WSM_ERR_INVALID_MESSAGE with paths below that of the value */
export function assertAt (check: Checker, message: unknown, path: string): void {
  if (!check.Check(message)) throw invalidMessage(faultsOf(check, message).map(below(path)))
}

function cut (text: string): string {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}…`
}
