import type { Register } from './register.js'

/** Who a socket or a request belongs to, read from a verified token. */
export interface User {
  readonly id: string
  /** The token's claims, as verified. */
  readonly claims: Readonly<Record<string, unknown>>
  /**
   * Until when the token is good, milliseconds since 1970; null: for ever. Its `exp`, with what `clockTolerance`, `maxAge` and
   * `ignoreExpiration` of @fastify/jwt make of it.
   */
  readonly expiresAt: number | null
  /** When the token was issued (`iat`), milliseconds since 1970; null where it does not say. */
  readonly issuedAt: number | null
  /** The token's own name (`jti`), by which it can be revoked; null where it has none. */
  readonly jti: string | null
}

/** The user of a socket or request that has been let in. null, an anonymous one, only where {@link Register} says `anonymous: true`. */
export type AdmittedUser = Register extends { anonymous: true } ? User | null : User

/** Whether the token grants a permission: in `roles` or `scope`, as an array or as words in a string (RFC 8693, 4.2). */
export function isGranted (user: User, permission: string): boolean {
  return [user.claims.roles, user.claims.scope].some((granted) =>
    typeof granted === 'string' ? granted.split(' ').includes(permission) : Array.isArray(granted) && granted.includes(permission))
}
