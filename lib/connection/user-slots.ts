import type { User } from '../auth/user.js'
import { closeCodes } from '../close-codes.js'
import { AlreadyConnectedError, TooManyConnectionsError, UnavailableError } from '../errors.js'
import type { Options } from '../options.js'
import type { Counters } from '../telemetry/counters.js'
import type { Connection } from './connection.js'
import type { Registry } from './registry.js'

/** How many sockets a user may have, and how many sockets may be nobody's yet (rows A9, A12). What is closing does not count. */
export class UserSlots {
  readonly #registry: Registry
  readonly #onDuplicate: Options['onDuplicateUser']
  readonly #maxPerUser: number
  readonly #maxWaiting: number
  readonly #counters: Counters
  /** Open, and nobody's yet. */
  readonly #waiting = new Set<Connection>()

  constructor (registry: Registry, { onDuplicateUser, limits }: Pick<Options, 'onDuplicateUser' | 'limits'>, counters: Counters) {
    this.#registry = registry
    this.#onDuplicate = onDuplicateUser
    this.#maxPerUser = limits.maxConnectionsPerUser
    this.#maxWaiting = limits.maxUnauthenticated
    this.#counters = counters
  }

  /**
   * Whether another socket may open without a user.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  assertMayWait (): void {
    if (this.#waiting.size < this.#maxWaiting) return
    this.#counters.refusals.unauthenticated++
    throw new UnavailableError('Too many sockets wait for their auth frame')
  }

  /**
   * Whether another socket may become a user's, `self` not counted.
   *
   * @throws WSM_ERR_ALREADY_CONNECTED, WSM_ERR_TOO_MANY_CONNECTIONS
   */
  assertFree (user: User | null, self: Connection | null = null): void {
    if (user === null || this.#onDuplicate === 'replace') return
    const others = this.#registry.others(user.id, self).length
    if (this.#onDuplicate === 'refuse' && others > 0) {
      this.#counters.refusals.duplicate_user++
      throw new AlreadyConnectedError()
    }
    if (others < this.#maxPerUser) return
    this.#counters.refusals.connections_per_user++
    throw new TooManyConnectionsError(this.#maxPerUser)
  }

  /** A socket is open, and waits for its first auth frame where it has to. */
  opened (connection: Connection): void {
    if (connection.origin.awaitsAuth) this.#waiting.add(connection)
  }

  /**
   * A socket has become its user's: with `replace` the user's others go. Otherwise this one does when another has become
   * the user's since it was asked about.
   */
  taken (connection: Connection): void {
    this.#waiting.delete(connection)
    const { user } = connection
    if (user !== null && this.#onDuplicate === 'replace') {
      for (const other of this.#registry.others(user.id, connection)) {
        this.#counters.refusals.duplicate_user++
        other.close(closeCodes.replaced, 'Replaced by a newer connection of the user')
      }
      return
    }
    try {
      this.assertFree(user, connection)
    } catch (error) {
      connection.close(error instanceof AlreadyConnectedError ? closeCodes.replaced : closeCodes.tryAgainLater, (error as Error).message)
    }
  }

  /** A socket is gone. */
  ended (connection: Connection): void {
    this.#waiting.delete(connection)
  }
}
