import type { User } from '../user.js'
import type { Limits } from '../telemetry/limits.js'
import type { ConnectionOrigin } from '../socket/origin.js'
import type { Connection } from '../socket/connection.js'
import type { Registry } from '../socket/registry.js'
import { Quota } from '../socket/quota.js'
import { closeFrameFor } from './close-frame.js'
import type { SessionLimits, SessionOptions } from './options.js'

/**
 * Limits the open sockets: in total, per user, unauthenticated and anonymous ones (rows A9, A12). A slot is free as soon as the
 * close frame is sent. Sockets without a user take at most half of all slots; the rest is reserved for users.
 */
export class UserSlots {
  readonly #registry: Registry
  readonly #onDuplicate: SessionOptions['onDuplicateUser']
  readonly #maxPerUser: number
  readonly #limits: Limits
  readonly #all: Quota
  /** Sockets that wait for their first `auth` frame. */
  readonly #waiting: Quota
  readonly #anonymous: Quota

  constructor (registry: Registry, { onDuplicateUser, limits }: Pick<SessionOptions, 'onDuplicateUser'> & { limits: SessionLimits }, refusing: Limits) {
    const half = Math.max(1, Math.floor(limits.maxConnections / 2))
    this.#registry = registry
    this.#onDuplicate = onDuplicateUser
    this.#maxPerUser = limits.maxConnectionsPerUser
    this.#limits = refusing
    this.#all = new Quota(limits.maxConnections)
    this.#waiting = new Quota(Math.min(limits.maxUnauthenticated, half), limits.maxUnauthenticatedPerIp)
    this.#anonymous = new Quota(Math.min(limits.maxAnonymous, half), limits.maxAnonymousPerIp)
  }

  /**
   * Checks that the node has room for another socket: before any work on its request, and again when it opens.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  assertCapacity (): void {
    if (this.#all.reached('') !== null) throw this.#limits.connections.refuse()
  }

  /**
   * Checks that there is a slot for a socket of this origin.
   *
   * @throws WSM_ERR_UNAVAILABLE, WSM_ERR_RATE_LIMITED, WSM_ERR_ALREADY_CONNECTED, WSM_ERR_TOO_MANY_CONNECTIONS
   */
  assertMayOpen ({ awaitsAuth, ip, user }: ConnectionOrigin): void {
    this.assertCapacity()
    if (awaitsAuth) this.#assertQuota(this.#waiting, ip, 'unauthenticated')
    else this.#assertFree(user, ip, null)
  }

  /**
   * Checks that there is a slot for a socket that switches to a user, or to anonymous (null). The socket itself is not counted.
   *
   * @throws WSM_ERR_UNAVAILABLE, WSM_ERR_RATE_LIMITED, WSM_ERR_ALREADY_CONNECTED, WSM_ERR_TOO_MANY_CONNECTIONS
   */
  assertFree (user: User | null, self: Connection): void {
    this.#assertFree(user, self.ip, self)
  }

  /** Counts a socket that has opened. */
  opened (connection: Connection): void {
    this.#all.add(connection)
    if (connection.origin.awaitsAuth) this.#waiting.add(connection)
    else if (connection.user === null) this.#anonymous.add(connection)
  }

  /**
   * Takes the slot of a socket that has switched to its user. With `replace` the user's other sockets are closed; otherwise this
   * one is, if the limit was reached since the check.
   */
  taken (connection: Connection): void {
    const { user } = connection
    this.#waiting.delete(connection)
    if (user !== null) this.#anonymous.delete(connection)
    if (user !== null && this.#onDuplicate === 'replace') {
      for (const other of this.#registry.others(user.id, connection)) this.#limits.duplicate_user.close(other)
      return
    }
    try {
      this.assertFree(user, connection)
      if (user === null) this.#anonymous.add(connection)
    } catch (error) {
      const { code, reason } = closeFrameFor(error)
      connection.close(code, reason)
    }
  }

  /** Frees the slots of a socket that is closing or gone. Calling it twice is harmless. */
  ended (connection: Connection): void {
    for (const quota of [this.#all, this.#waiting, this.#anonymous]) quota.delete(connection)
  }

  #assertFree (user: User | null, ip: string, self: Connection | null): void {
    if (user === null) {
      if (self === null || !this.#anonymous.has(self)) this.#assertQuota(this.#anonymous, ip, 'anonymous')
      return
    }
    if (this.#onDuplicate === 'replace') return
    const others = this.#registry.others(user.id, self).length
    if (this.#onDuplicate === 'refuse' && others > 0) throw this.#limits.duplicate_user.refuse()
    if (others >= this.#maxPerUser) throw this.#limits.connections_per_user.refuse(this.#maxPerUser)
  }

  #assertQuota (quota: Quota, ip: string, limit: 'unauthenticated' | 'anonymous'): void {
    const reached = quota.reached(ip)
    if (reached !== null) throw this.#limits[reached === 'all' ? limit : `${limit}_per_ip` as const].refuse()
  }
}
