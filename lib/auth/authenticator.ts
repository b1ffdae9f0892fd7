import type { FastifyRequest } from 'fastify'
import type { User } from '../user.js'

/** Identifies the user of a request, or of a token in a later frame. */
export interface Authenticator {
  /**
   * Returns the user of a request; null for a request without credentials.
   *
   * @throws WSM_ERR_UNAUTHORIZED for bad credentials, WSM_ERR_FORBIDDEN, WSM_ERR_UNAVAILABLE if they cannot be checked now
   */
  authenticate (request: FastifyRequest): Promise<User | null>
  /** Returns true if a browser may have added the request's credentials by itself, such as cookies and Basic credentials, or if that is unknown. */
  isAmbient (request: FastifyRequest): boolean
  /** Time that a token remains valid after its expiry, milliseconds; Infinity if expiry is ignored. */
  readonly toleranceMs: number
  /** Verifies tokens of later frames, with the same errors, without retaining the request that opened the socket. */
  detached (request: FastifyRequest): (token: string) => Promise<User>
}
