import type { FastifyRequest } from 'fastify'
import type { Admission } from '../lib/auth/admission.js'
import type { Permissions, RestAction } from '../lib/auth/permissions.js'
import type { User } from '../lib/auth/user.js'
import { NotFoundError } from '../lib/errors.js'

type Hook = (request: FastifyRequest) => Promise<void>

/** Who may use a REST route: hooks for `onRequest`, and checks for handlers that first look at whose something is. */
export class Access {
  readonly #admission: Admission
  readonly #permissions: Permissions

  constructor (admission: Admission, permissions: Permissions) {
    this.#admission = admission
    this.#permissions = permissions
  }

  /** Everybody with a good token. */
  readonly authenticated: Hook = async (request) => {
    request.wsUser = await this.#admission.identify(request)
  }

  /** Those whom `authorize` allows the action. */
  permitted (action: RestAction): Hook {
    return async (request) => {
      await this.authenticated(request)
      await this.#permissions.rest(request, action, userOf(request))
    }
  }

  /** The owner, and those whom `authorize` allows the action. */
  async owned (request: FastifyRequest, ownerId: string, action: RestAction): Promise<void> {
    const user = userOf(request)
    if (user.id !== ownerId) await this.#permissions.rest(request, action, user)
  }
}

/** The user that one of the hooks above has found. */
export function userOf (request: FastifyRequest): User {
  return request.wsUser!
}

/** @throws WSM_ERR_NOT_FOUND for null */
export function found<T> (value: T | null, what: string): T {
  if (value === null) throw new NotFoundError(`There is no such ${what}`)
  return value
}
