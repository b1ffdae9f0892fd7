import { UnauthorizedError } from '../errors.js'
import { jtiFrom, userIdFrom } from '../ids.js'
import type { User } from '../user.js'
import type { TokenLifetime } from './token-lifetime.js'

/**
 * Creates the user of a verified token.
 *
 * @param claimNames claims that may name the user, first match wins
 * @param lifetime computes the expiry
 * @throws WSM_ERR_UNAUTHORIZED if no claim holds a valid name (text, or a number that JSON cannot confuse with another), or if
 *   `exp`, `iat`, `nbf` or `jti` is present but invalid
 */
export function userFromClaims (claims: Readonly<Record<string, unknown>>, claimNames: readonly string[], lifetime: TokenLifetime): User {
  for (const name of claimNames) {
    const value = claims[name]
    if (value === undefined) continue
    const id = userIdFrom(value)
    if (id === null) throw new UnauthorizedError(`The token does not name a user: its claim ${name} must be text of 1 to 256 characters, or a safe integer`)
    assertTimes(claims)
    const issuedAt = momentOf(claims, 'iat')
    return { id, claims, expiresAt: lifetime.endOf(momentOf(claims, 'exp'), issuedAt), issuedAt, jti: jtiOf(claims) }
  }
  throw new UnauthorizedError(`The token does not name a user: it has no claim ${claimNames.join(', ')}`)
}

/** @throws WSM_ERR_UNAUTHORIZED for invalid times */
export function assertTimes (claims: Readonly<Record<string, unknown>>): void {
  for (const name of ['exp', 'nbf', 'iat'] as const) momentOf(claims, name)
}

function jtiOf ({ jti }: Readonly<Record<string, unknown>>): string | null {
  if (jti === undefined) return null
  const name = jtiFrom(jti)
  if (name === null) throw new UnauthorizedError('The token has a bad id: its claim jti must be text of 1 to 512 characters, or a safe integer')
  return name
}

/** Converts a time claim from seconds (RFC 7519 section 2) to milliseconds. */
function momentOf (claims: Readonly<Record<string, unknown>>, name: 'exp' | 'iat' | 'nbf'): number | null {
  const seconds = claims[name]
  if (seconds === undefined) return null
  const moment = typeof seconds === 'number' ? seconds * 1000 : NaN
  if (!Number.isFinite(moment)) throw new UnauthorizedError(`The token has a bad time: its claim ${name} must be a finite number`)
  return moment
}
