import { TooManyRolesError } from '../errors.js'
import type { Counters } from '../telemetry/counters.js'
import { rolesOf, type User } from '../user.js'
import type { SessionLimits } from './options.js'

/** Limits the roles of a user who opens a socket, or takes one over: each is a topic that the socket is a member of. */
export class RoleLimit {
  readonly #max: number
  readonly #counters: Counters

  constructor ({ maxRolesPerUser }: Pick<SessionLimits, 'maxRolesPerUser'>, counters: Counters) {
    this.#max = maxRolesPerUser
    this.#counters = counters
  }

  /** @throws WSM_ERR_TOO_MANY_ROLES */
  assertFew (user: User | null): void {
    if (user === null) return
    const { length } = rolesOf(user)
    if (length <= this.#max) return
    this.#counters.refusals.roles++
    throw new TooManyRolesError(length, this.#max)
  }
}
