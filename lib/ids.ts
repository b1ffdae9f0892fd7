import { ChannelName, Jti, RoleName, TaskId, UserId } from '../schemas/fields.js'

const MAX_USER_ID = UserId.maxLength!
const MAX_JTI = Jti.maxLength!
const MAX_ROLE = RoleName.maxLength!
const NAMED_TOPICS = new Map([['user', MAX_USER_ID], ['role', MAX_ROLE], ['channel', ChannelName.maxLength!], ['task', TaskId.maxLength!]])

/*
 * Ids must be unambiguous. JSON rounds numbers above 2^53, so two of them could become one user. UTF-8, in Redis and on every
 * socket, turns each lone surrogate into U+FFFD, so text with one is refused, too.
 */

/** Returns true for a topic name as used in `stream`. */
export function isTopic (topic: string): boolean {
  if (topic === 'all') return true
  const at = topic.indexOf(':')
  const max = NAMED_TOPICS.get(topic.slice(0, at))
  return max !== undefined && isName(topic.slice(at + 1), max)
}

/** Reads a user id from a token's claim; null if the value is not a valid id. */
export function userIdFrom (claim: unknown): string | null {
  return nameFrom(claim, MAX_USER_ID)
}

/** Tells whether a value can be the name of a role. */
export function isRole (value: unknown): value is string {
  return isName(value, MAX_ROLE)
}

/** Reads a token's `jti`; null if the value is not a valid one. */
export function jtiFrom (claim: unknown): string | null {
  return nameFrom(claim, MAX_JTI)
}

/** Converts a safe integer to decimal text; refuses other numbers, since JSON may have rounded them. */
function nameFrom (claim: unknown, max: number): string | null {
  if (typeof claim === 'number') return Number.isSafeInteger(claim) && !Object.is(claim, -0) ? String(claim) : null
  return isName(claim, max) ? claim : null
}

function isName (name: unknown, max: number): name is string {
  return typeof name === 'string' && name.length > 0 && name.length <= max && !LONE_SURROGATE.test(name)
}

/** Matches text that is not well-formed UTF-16. ES2023 typings lack String.prototype.isWellFormed(). */
const LONE_SURROGATE = /\p{Surrogate}/u
