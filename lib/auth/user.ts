import { UnauthorizedError } from '../errors.js'

/** Who a socket or a request belongs to, read from a verified token. */
export interface User {
  readonly id: string
  /** The token's claims, as verified. */
  readonly claims: Readonly<Record<string, unknown>>
  /** When the token expires, milliseconds since 1970; null where it never does. */
  readonly expiresAt: number | null
  /** When the token was issued (`iat`), milliseconds since 1970; null where it does not say. */
  readonly issuedAt: number | null
  /** The token's own name (`jti`), by which it can be revoked; null where it has none. */
  readonly jti: string | null
}

/**
 * Names the user of a verified token.
 *
 * @param claimNames the claims that may hold the name, first match wins
 * @throws WSM_ERR_UNAUTHORIZED where none of them holds a name
 */
export function userFromClaims (claims: Readonly<Record<string, unknown>>, claimNames: readonly string[]): User {
  for (const name of claimNames) {
    const value = claims[name]
    if (value === undefined) continue
    const id = toName(value)
    if (id === null || id.length === 0 || id.length > 256) break
    return { id, claims, expiresAt: toMs(claims.exp), issuedAt: toMs(claims.iat), jti: toName(claims.jti) }
  }
  throw new UnauthorizedError('The token does not name a user')
}

/** A name as tokens have it; a number is one, too. */
function toName (value: unknown): string | null {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : null
}

/** A moment as tokens have it, in seconds (RFC 7519 section 2). */
function toMs (date: unknown): number | null {
  return typeof date === 'number' ? date * 1000 : null
}

/** Whether the token grants a permission: in `roles` or `scope`, as an array or as words in a string (RFC 8693, 4.2). */
export function isGranted (user: User, permission: string): boolean {
  return [user.claims.roles, user.claims.scope].some((granted) =>
    typeof granted === 'string' ? granted.split(' ').includes(permission) : Array.isArray(granted) && granted.includes(permission))
}
