import { InvalidMessageError, type DetailedError } from './errors.js'

/** As in `schemas/fields.ts`. */
const MAX_USER_ID = 256
const MAX_JTI = 512
const MAX_CHANNEL = 200

/*
 * What names somebody or something must name it alone. Two numbers that JSON cannot tell apart are one user, and so are, in
 * Redis and on every socket, two texts that differ in a lone surrogate: there is no UTF-8 for it but U+FFFD.
 */

export function isUserId (id: unknown): id is string {
  return isName(id, MAX_USER_ID)
}

/** @throws WSM_ERR_INVALID_MESSAGE, as a fault of the app */
export function assertUserId (id: unknown): asserts id is string {
  if (!isUserId(id)) throw appFault(`a user id must be a string of 1 to ${MAX_USER_ID} characters, got ${shown(id)}`)
}

/** @throws WSM_ERR_INVALID_MESSAGE, as a fault of the app */
export function assertChannel (channel: unknown): asserts channel is string {
  if (!isName(channel, MAX_CHANNEL)) throw appFault(`the name of a channel must be a string of 1 to ${MAX_CHANNEL} characters, got ${shown(channel)}`)
}

/** A user's id as tokens have it; null: it cannot be one. */
export function userIdFrom (claim: unknown): string | null {
  return nameFrom(claim, MAX_USER_ID)
}

/** A token's name; null: it cannot be one. */
export function jtiFrom (claim: unknown): string | null {
  return nameFrom(claim, MAX_JTI)
}

/** A number is a name, too, where no other one is written in the same way once JSON has been read. */
function nameFrom (claim: unknown, max: number): string | null {
  if (typeof claim === 'number') return Number.isSafeInteger(claim) && !Object.is(claim, -0) ? String(claim) : null
  return isName(claim, max) ? claim : null
}

function isName (name: unknown, max: number): name is string {
  return typeof name === 'string' && name.length > 0 && name.length <= max && !LONE_SURROGATE.test(name)
}

function shown (value: unknown): string {
  return typeof value === 'string' ? `one of ${value.length}` : typeof value
}

function appFault (message: string): DetailedError {
  return Object.assign(new InvalidMessageError(message), { isAppFault: true as const })
}

/** Text that is not well-formed UTF-16; String.prototype.isWellFormed() is not in the types of ES2023. */
const LONE_SURROGATE = /\p{Surrogate}/u
