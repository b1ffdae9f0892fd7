import type { Register } from './register.js'

/** The owner of a socket or request, read from a verified token. */
export interface User {
  readonly id: string
  /** Claims of the token, as verified. */
  readonly claims: Readonly<Record<string, unknown>>
  /**
   * Expiry of the token, milliseconds since 1970; null: never. Takes `exp` and @fastify/jwt's `clockTolerance`, `maxAge` and
   * `ignoreExpiration` into account.
   */
  readonly expiresAt: number | null
  /** When the token was issued (`iat`), milliseconds since 1970; null if unknown. */
  readonly issuedAt: number | null
  /** The token's name (`jti`), by which it can be revoked; null if it has none. */
  readonly jti: string | null
}

/** The user of a socket or request that has been let in. null, an anonymous one, only where {@link Register} says `anonymous: true`. */
export type AdmittedUser = Register extends { anonymous: true } ? User | null : User

/** Returns true if `roles` or `scope` grants a permission, as an array or as words in a string (RFC 8693, 4.2). */
export function isGranted (user: User, permission: string): boolean {
  return [user.claims.roles, user.claims.scope].some((granted) =>
    typeof granted === 'string' ? granted.split(' ').includes(permission) : Array.isArray(granted) && granted.includes(permission))
}
