import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { Identification } from '../lib/sessions/identification.js'
import type { RestAction } from '../lib/auth/decisions.js'
import type { Permissions } from '../lib/auth/permissions.js'
import type { Revocations } from '../lib/sessions/revocations.js'
import type { User } from '../lib/user.js'
import { networkOf } from '../lib/socket/network.js'
import { NotFoundError } from '../lib/errors.js'
import type { PendingRequest } from '../lib/http/pending-request.js'
import type { PendingRequests } from '../lib/http/pending-requests.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** State of a REST request of the plugin while it is answered; null before that. */
    wsPending: PendingRequest | null
  }
}

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

/** The parts that decide whether a request is served. */
export interface AccessParts { identification: Identification, permissions: Permissions, revocations: Revocations, requests: PendingRequests }

/** Access control of the REST routes: hooks for `onRequest`, and checks for handlers that must first find the owner of a record. */
export class Access {
  readonly #parts: AccessParts

  constructor (parts: AccessParts) {
    this.#parts = parts
  }

  /** Admits callers with a valid token and fewer than `limits.maxPendingRequests` requests in progress. */
  readonly authenticated: Hook = (request, reply) => this.#begin(request, reply, (identification) => identification.identify(request))

  /** Admits the same callers, and anonymous ones if sockets may be anonymous. */
  readonly callers: Hook = (request, reply) => this.#begin(request, reply, (identification) => identification.identifyCaller(request))

  /** Admits callers for whom `authorize` allows the action. */
  permitted (action: RestAction): Hook {
    return async (request, reply) => {
      await this.authenticated(request, reply)
      await this.#parts.permissions.rest(request, action, userOf(request))
    }
  }

  /** Checks that the caller is the owner, or that `authorize` allows the action, and the token again: the owner had to be looked up. */
  async owned (request: FastifyRequest, ownerId: string, action: RestAction): Promise<void> {
    const user = userOf(request)
    if (user.id !== ownerId) await this.#parts.permissions.rest(request, action, user)
    this.assertTokenStillValid(request)
  }

  /**
   * Checks that the token has not expired or been revoked since the request began. Called once the body has arrived, which takes as
   * long as its sender likes, and after every hook of the app.
   *
   * @throws WSM_ERR_UNAUTHORIZED; WSM_ERR_UNAVAILABLE if that is unknown
   */
  assertTokenStillValid (request: FastifyRequest): void {
    const { wsUser: user, wsPending: pending } = request
    if (user !== null) this.#parts.revocations.assertTokenStillValid(user, pending!.identifiedAt)
  }

  /** Checks the token, and starts the request's work in the same turn. */
  async carryOut<T> (request: FastifyRequest, work: () => T): Promise<Awaited<T>> {
    this.assertTokenStillValid(request)
    return this.#parts.requests.run(request.wsPending!, work)
  }

  /** Wraps a route's handler in `carryOut`. */
  guard (handler: RouteOptions['handler']): RouteOptions['handler'] {
    const access = this
    return function (request, reply) {
      return access.carryOut(request, () => handler.call(this, request, reply))
    }
  }

  async #begin (request: FastifyRequest, reply: FastifyReply, identify: (identification: Identification) => Promise<User | null>): Promise<void> {
    const { identification, requests } = this.#parts
    const pending = request.wsPending = requests.begin(request, reply)
    const user = await identify(identification)
    requests.identified(pending, user, networkOf(request.ip))
    request.wsUser = user
  }
}

/** Returns the user identified by one of the hooks above. */
export function userOf (request: FastifyRequest): User {
  return request.wsUser!
}

/**
 * Returns the value.
 *
 * @throws WSM_ERR_NOT_FOUND for null
 */
export function found<T> (value: T | null, what: string): T {
  if (value === null) throw new NotFoundError(`There is no such ${what}`)
  return value
}
