import type { Limits } from '../telemetry/limits.js'
import { rolesOf, type User } from '../user.js'

/** Limits the roles of a socket's user, since each role is a topic that the socket joins. */
export class RoleLimit {
  readonly #max: number
  readonly #limit: Limits['roles']

  constructor (max: number, limit: Limits['roles']) {
    this.#max = max
    this.#limit = limit
  }

  /** @throws WSM_ERR_TOO_MANY_ROLES */
  assertFew (user: User | null): void {
    if (user === null) return
    const { length } = rolesOf(user)
    if (length > this.#max) throw this.#limit.refuse(length, this.#max)
  }
}
