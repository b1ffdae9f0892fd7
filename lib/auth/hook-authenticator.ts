import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { Clock } from '../engine/engine.js'
import { ForbiddenError, InternalError, UnauthorizedError, UnavailableError } from '../errors.js'
import { isOurs } from '../wire-error.js'
import { logThrown } from '../thrown.js'
import { AuthenticatedUser } from './authenticated-user.js'
import type { Authenticator } from './authenticator.js'
import { isBearer } from './credentials.js'
import type { AuthOptions } from './options.js'
import type { User } from '../user.js'

const check = TypeCompiler.Compile(Type.Union([AuthenticatedUser, Type.Null()]))

/** Identifies users through the app's own hooks. */
export class HookAuthenticator implements Authenticator {
  readonly toleranceMs = 0
  readonly #authenticate: NonNullable<AuthOptions['authenticate']>
  readonly #verifyToken: AuthOptions['verifyToken']
  readonly #clock: Clock
  readonly #log: FastifyBaseLogger

  constructor (authenticate: NonNullable<AuthOptions['authenticate']>, verifyToken: AuthOptions['verifyToken'], clock: Clock, log: FastifyBaseLogger) {
    this.#authenticate = authenticate
    this.#verifyToken = verifyToken
    this.#clock = clock
    this.#log = log
  }

  authenticate (request: FastifyRequest): Promise<User | null> {
    return this.#ask('authenticate', () => this.#authenticate(request))
  }

  /** Only the app knows which credentials its hook used: it may have ignored a bearer token beside a cookie. */
  isAmbient ({ headers: { cookie, authorization } }: FastifyRequest): boolean {
    return cookie !== undefined || (authorization !== undefined && !isBearer(authorization))
  }

  detached (): (token: string) => Promise<User> {
    const verifyToken = this.#verifyToken
    return async (token) => {
      const user = verifyToken === undefined ? null : await this.#ask('verifyToken', () => verifyToken(token))
      if (user === null) throw new UnauthorizedError(verifyToken === undefined ? 'This server accepts no tokens' : 'The token is not valid')
      return user
    }
  }

  async #ask (name: string, hook: () => unknown): Promise<User | null> {
    let answer
    try {
      answer = snapshot(await hook())
    } catch (error) {
      throw this.#toAuthError(name, error)
    }
    if (!check.Check(answer)) {
      this.#log.error(`${name} must return null or { id, claims?, expiresAt?, issuedAt?, jti? }`)
      throw new InternalError()
    }
    if (answer === null) return null
    const { id, claims = {}, expiresAt = null, issuedAt = null, jti = null } = answer
    if (expiresAt !== null && expiresAt <= this.#clock.now()) throw new UnauthorizedError('The credentials have expired')
    return { id, claims, expiresAt, issuedAt, jti }
  }

  /** Hooks, like key functions, signal bad credentials by an error with `statusCode` 401 or 403. */
  #toAuthError (name: string, error: unknown): Error {
    if (isOurs(error)) return error
    const statusCode = statusOf(error)
    if (statusCode === 401) return new UnauthorizedError('The credentials are not valid')
    if (statusCode === 403) return new ForbiddenError('You may not connect')
    logThrown(this.#log, 'error', error, {}, `${name} failed`)
    return new UnavailableError('Authentication is temporarily unavailable')
  }
}

/** Reads the app's object once, so a getter cannot answer differently after the check. */
function snapshot (answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null) return answer
  const { id, claims, expiresAt, issuedAt, jti } = answer as Record<string, unknown>
  return { id, claims, expiresAt, issuedAt, jti }
}

function statusOf (error: unknown): unknown {
  try {
    return Object(error).statusCode
  } catch {
    return undefined
  }
}
