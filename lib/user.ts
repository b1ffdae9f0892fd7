import { isRole } from './ids.js'
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
  /** Time of issue of the token (`iat`), milliseconds since 1970; null if unknown. */
  readonly issuedAt: number | null
  /** The token's name (`jti`), by which it can be revoked; null if it has none. */
  readonly jti: string | null
}

/** The user of a socket or request that has been let in. null, an anonymous one, only where {@link Register} says `anonymous: true`. */
export type AdmittedUser = Register extends { anonymous: true } ? User | null : User

/** Returns true if `roles` or `scope` grants a permission, as an array or as words in a string (RFC 8693, 4.2). */
export function isGranted (user: User, permission: string): boolean {
  return [user.claims.roles, user.claims.scope].some((claim) => listOf(claim).includes(permission))
}

/**
 * Returns the user's roles, each once: the claim `roles`, as an array or as words in a string. An entry that cannot be the name of a
 * role is left out. The answer for one user stays the same: an app may change the claims that it returned.
 */
export function rolesOf (user: User): readonly string[] {
  let roles = known.get(user)
  if (roles === undefined) {
    roles = user.claims.roles === undefined ? NONE : [...new Set(listOf(user.claims.roles).filter(isRole))]
    known.set(user, roles)
  }
  return roles
}

const NONE: readonly string[] = []
const known = new WeakMap<User, readonly string[]>()

function listOf (claim: unknown): readonly unknown[] {
  return typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : NONE
}
