import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { isOff } from '../engine/clock.js'
import type { Clock } from '../engine/engine.js'
import { UnauthorizedError, UnavailableError } from '../errors.js'
import { isError, logThrown, messageOf } from '../thrown.js'
import type { TokenLifetime } from './token-lifetime.js'
import type { User } from '../user.js'
import { assertTimes, userFromClaims } from './claims.js'

/** Request decorator of @fastify/jwt. */
type JwtVerify = (this: object, options?: { verify: { extractToken?: () => string, clockTimestamp?: number } }) => Promise<unknown>
type Decode = (token: string) => Readonly<Record<string, unknown>>

export interface TokenRules {
  /** Name of the request decorator that verifies: `jwtVerify`, or its name in a namespace. */
  method: string
  /** Reads a token's claims. */
  decode: Decode
  /** True if the decorator reads the Authorization header. */
  readsHeader: boolean
  /** Claims that may name the user, first match wins. */
  claimNames: readonly string[]
  /** True if tokens without `exp` are refused. */
  requireExp: boolean
  lifetime: TokenLifetime
  /** True if @fastify/cookie signs the cookie that may hold the token. */
  isCookieSigned: boolean
}

/** Verifies tokens with the app's @fastify/jwt, whoever registered it; key functions and JWKS included. */
export class TokenVerifier {
  readonly #rules: TokenRules
  readonly #clock: Clock
  readonly #log: FastifyBaseLogger

  constructor (rules: TokenRules, clock: Clock, log: FastifyBaseLogger) {
    this.#rules = rules
    this.#clock = clock
    this.#log = log
  }

  /** See `Authenticator.toleranceMs`. */
  get toleranceMs (): number {
    return this.#rules.lifetime.toleranceMs
  }

  /**
   * Verifies a request's token, wherever the request carried it, and decorates the request as `request.jwtVerify()` does.
   *
   * @throws WSM_ERR_UNAUTHORIZED for every fault of the token, WSM_ERR_UNAVAILABLE if the key cannot be fetched
   */
  verify (request: FastifyRequest, token: string): Promise<User> {
    const authorization = `Bearer ${token}`
    if (request.headers.authorization !== authorization) request.headers = { authorization }
    return this.#verify(request, token)
  }

  /**
   * Verifies tokens of later frames without retaining the request that opened the socket. Key functions receive a request with
   * only `server`, `log` and `headers` with this token.
   */
  detached (request: FastifyRequest): (token: string) => Promise<User> {
    const { server } = request
    const { method } = this.#rules
    const jwtVerify = (request as unknown as Record<string, JwtVerify>)[method]
    return (token) => this.#verify({ headers: { authorization: `Bearer ${token}` }, server, log: server.log, [method]: jwtVerify }, token)
  }

  async #verify (request: object, token: string): Promise<User> {
    const { method, readsHeader, decode, claimNames, requireExp, lifetime } = this.#rules
    try {
      // Per-call options make @fastify/jwt build a new verifier, which is slow: only for another header or a wrong clock.
      const verify = { ...!readsHeader && { extractToken: () => token }, ...isOff(this.#clock) && { clockTimestamp: this.#clock.now() } }
      await (request as Record<string, JwtVerify>)[method]!(Object.keys(verify).length === 0 ? undefined : { verify })
    } catch (error) {
      // @fastify/jwt throws a RangeError for a time that Date cannot represent: a fault of the token, not of the key.
      if (isError(error, RangeError)) this.#read(() => assertTimes(decode(token)))
      throw this.#toAuthError(error)
    }
    return this.#read(() => {
      // Read from the token: jwtVerify returns the result of the app's formatUser, which may have dropped exp.
      const claims = decode(token)
      if (requireExp && claims.exp === undefined) throw new UnauthorizedError('The token has no expiry')
      return userFromClaims(claims, claimNames, lifetime)
    })
  }

  /** Logs the reason: the token is validly signed, so the refusal points to a misconfiguration that the operator must see. */
  #read<T> (claims: () => T): T {
    try {
      return claims()
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, 'a validly signed token was refused for its claims')
      throw error
    }
  }

  #toAuthError (error: unknown): Error {
    if (!isTokenFault(error)) {
      logThrown(this.#log, 'error', error, {}, 'could not verify a token')
      return new UnavailableError('Token verification is temporarily unavailable')
    }
    return new UnauthorizedError(expiredCodes.has(error.code) ? 'The token has expired' : 'The token is not valid')
  }
}

const expiredCodes: ReadonlySet<unknown> = new Set(['FST_JWT_AUTHORIZATION_TOKEN_EXPIRED', 'FAST_JWT_EXPIRED'])
/** Codes that @fastify/jwt reports for key faults, with the same prefix as token faults. */
const keyFaultCodes: ReadonlySet<unknown> = new Set(['FAST_JWT_KEY_FETCHING_ERROR', 'FAST_JWT_INVALID_OPTION'])

/**
 * Returns true for a fault of the client; @fastify/jwt reports some of these as 400 or 500. A key function signals one with
 * `statusCode` 401, for example for an unknown key.
 */
function isTokenFault (error: unknown): error is { code?: unknown } {
  try {
    if (!(error instanceof Error)) return false
    const { code, statusCode } = error as { code?: unknown, statusCode?: unknown }
    return statusCode === 401 || (typeof code === 'string' && /^(FST|FAST)_JWT_/.test(code) && !keyFaultCodes.has(code))
  } catch {
    return false
  }
}
