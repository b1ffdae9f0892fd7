import { ChannelName, Jti, UserId } from '../schemas/fields.js'

const MAX_USER_ID = UserId.maxLength!
const MAX_JTI = Jti.maxLength!
const MAX_CHANNEL = ChannelName.maxLength!
const NAMED_TOPICS = new Map([['user', MAX_USER_ID], ['channel', MAX_CHANNEL]])

/*
 * An id must be unambiguous. Numbers above 2^53 are not: JSON rounds them, so two of them can become one user. Nor is text with
 * a lone surrogate: UTF-8, in Redis and on every socket, turns each of them into U+FFFD.
 */

/** Tells whether text is the name of a topic, as `stream` has it. */
export function isTopic (topic: string): boolean {
  if (topic === 'all') return true
  const at = topic.indexOf(':')
  const max = NAMED_TOPICS.get(topic.slice(0, at))
  return max !== undefined && isName(topic.slice(at + 1), max)
}

/** Reads a user id from a token's claim; null if the value cannot be one. */
export function userIdFrom (claim: unknown): string | null {
  return nameFrom(claim, MAX_USER_ID)
}

/** Reads a token's `jti`; null if the value cannot be one. */
export function jtiFrom (claim: unknown): string | null {
  return nameFrom(claim, MAX_JTI)
}

/** A safe integer counts as its decimal text; other numbers are refused, since JSON may have rounded them. */
function nameFrom (claim: unknown, max: number): string | null {
  if (typeof claim === 'number') return Number.isSafeInteger(claim) && !Object.is(claim, -0) ? String(claim) : null
  return isName(claim, max) ? claim : null
}

function isName (name: unknown, max: number): name is string {
  return typeof name === 'string' && name.length > 0 && name.length <= max && !LONE_SURROGATE.test(name)
}

/** Text that is not well-formed UTF-16; String.prototype.isWellFormed() is not in the types of ES2023. */
const LONE_SURROGATE = /\p{Surrogate}/u
