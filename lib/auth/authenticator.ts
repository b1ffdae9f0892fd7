import type { FastifyRequest } from 'fastify'
import type { User } from '../user.js'

/** Says who a request, or a token that comes later by frame, belongs to. */
export interface Authenticator {
  /**
   * The user of a request; null where it does not say who it is.
   *
   * @throws WSM_ERR_UNAUTHORIZED for bad credentials, WSM_ERR_FORBIDDEN, WSM_ERR_UNAVAILABLE when they cannot be checked now
   */
  identify (request: FastifyRequest): Promise<User | null>
  /**
   * Tells if a browser may have added the request's credentials by itself, as it does with cookies and Basic credentials. True
   * if that cannot be known.
   */
  isAmbient (request: FastifyRequest): boolean
  /** Time after its expiry for which a token is still good, milliseconds; Infinity where the expiry is ignored. */
  readonly toleranceMs: number
  /** Verifies tokens of later frames, with the same errors, without keeping the request that the socket was opened with. */
  detached (request: FastifyRequest): (token: string) => Promise<User>
}
