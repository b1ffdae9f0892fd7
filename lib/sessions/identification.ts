import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { Authenticator } from '../auth/authenticator.js'
import { carriesToken, assertOneAuthorization } from '../auth/credentials.js'
import type { AuthOptions } from '../auth/options.js'
import { OriginPolicy } from '../auth/origin.js'
import type { Tickets } from '../auth/tickets.js'
import type { BoundedWaits } from '../bounded-waits.js'
import { UnauthorizedError, UnavailableError } from '../errors.js'
import type { Counters } from '../telemetry/counters.js'
import type { User } from '../user.js'
import type { Revocations } from './revocations.js'

/** The parts that an {@link Identification} needs. */
export interface IdentificationParts {
  authenticator: Authenticator
  tickets: Tickets
  revocations: Revocations
  /** Ends pending checks when the server closes. */
  waits: BoundedWaits
  counters: Counters
  log: FastifyBaseLogger
}

/** Identifies the user of a request, and checks its origin. */
export class Identification {
  readonly #parts: IdentificationParts
  readonly #options: AuthOptions['auth']
  readonly #origins: OriginPolicy
  #verify: ((token: string) => Promise<User>) | null = null

  /** @throws WSM_ERR_INVALID_OPTION for invalid `origins` */
  constructor (parts: IdentificationParts, { auth, authenticate, origins }: Pick<AuthOptions, 'auth' | 'authenticate' | 'origins'>) {
    this.#parts = parts
    this.#options = auth
    this.#origins = new OriginPolicy(origins, auth.cookie !== undefined || authenticate !== undefined, parts.counters.limits.origin)
  }

  /**
   * Returns the user of a REST request.
   *
   * @throws WSM_ERR_UNAUTHORIZED, WSM_ERR_UNAVAILABLE; WSM_ERR_FORBIDDEN for a request that another site may have forged
   */
  async identify (request: FastifyRequest): Promise<User> {
    const user = await this.#identify(request)
    if (user === null) throw new UnauthorizedError('A token is needed')
    return user
  }

  /**
   * Returns the user of a request that does what a socket can do; null for an anonymous caller, if `auth.anonymous` allows that.
   *
   * @throws as `identify`
   */
  identifyCaller (request: FastifyRequest): Promise<User | null> {
    return this.#options.anonymous ? this.#identify(request) : this.identify(request)
  }

  /**
   * Returns the user of an upgrade, by its ticket or token; null if it has neither.
   *
   * @throws WSM_ERR_UNAUTHORIZED, WSM_ERR_UNAVAILABLE
   */
  identifyUpgrade (request: FastifyRequest): Promise<User | null> {
    const ticket = ticketOf(request)
    return this.#inTime(ticket === undefined ? this.#userOf(request) : this.#redeem(request, ticket))
  }

  /**
   * Checks that pages of an upgrade's origin may open a socket.
   *
   * @throws WSM_ERR_FORBIDDEN
   */
  assertOrigin (request: FastifyRequest): void {
    const isAmbient = ticketOf(request) === undefined && this.#parts.authenticator.isAmbient(request)
    this.#origins.assertAllowed(request, isAmbient)
  }

  /** Returns the function that verifies tokens of later `auth` frames. All connections share it, and it keeps no request alive. */
  verifierFor (request: FastifyRequest): (token: string) => Promise<User> {
    if (this.#verify === null) {
      const verify = this.#parts.authenticator.detached(request)
      this.#verify = (token) => this.#inTime(verify(token))
    }
    return this.#verify
  }

  async #identify (request: FastifyRequest): Promise<User | null> {
    this.#origins.assertNotForged(request, this.#parts.authenticator.isAmbient(request))
    return this.#inTime(this.#userOf(request))
  }

  async #userOf (request: FastifyRequest): Promise<User | null> {
    // A request made by injectWS has no raw headers.
    assertOneAuthorization(request.raw.rawHeaders ?? [])
    return this.#parts.authenticator.authenticate(request)
  }

  async #redeem (request: FastifyRequest, ticket: unknown): Promise<User> {
    if (carriesToken(request.headers)) throw new UnauthorizedError('The request carries a token and a ticket')
    return this.#parts.tickets.redeem(ticket)
  }

  /** Also checks that the token has not been revoked. Limits the time for all of it, since a key source or a hook of the app may hang. */
  #inTime<U extends User | null> (identified: Promise<U>): Promise<U> {
    const { timeoutMs } = this.#options
    return this.#parts.waits.wait(this.#unrevoked(identified), timeoutMs, () => {
      this.#parts.log.error({ timeout_ms: timeoutMs }, 'authentication timed out')
      throw new UnavailableError('Authentication took too long')
    })
  }

  async #unrevoked<U extends User | null> (identified: Promise<U>): Promise<U> {
    const user = await identified
    if (user !== null) await this.#parts.revocations.assertNotRevoked(user)
    return user
  }
}

/** Returns the ticket of an upgrade; REST requests do not accept one. */
function ticketOf (request: FastifyRequest): unknown {
  return (request.query as { ticket?: unknown }).ticket
}
