import { InvalidMessageError } from '../errors.js'
import { MOST_KEPT_DEPTH, isJsonDeeperThan } from './depth.js'
import { messageOf } from '../thrown.js'

/**
 * Copies a value as JSON carries it: without what JSON leaves out, and independent of the caller's object.
 *
 * @throws WSM_ERR_INVALID_MESSAGE for what JSON cannot hold: a cycle, a BigInt, a function; and for more than 1000 levels
 */
export function snapshot<T> (value: T): T {
  let json
  try {
    json = JSON.stringify(value) as string | undefined
  } catch (error) {
    throw new InvalidMessageError(messageOf(error))
  }
  if (json === undefined) throw new InvalidMessageError(`JSON cannot hold a value of type ${typeof value}`)
  if (isJsonDeeperThan(json, MOST_KEPT_DEPTH)) throw new InvalidMessageError(`it is nested deeper than ${MOST_KEPT_DEPTH} levels`)
  return JSON.parse(json) as T
}
