import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { isOff } from '../engine/clock.js'
import type { Clock } from '../engine/engine.js'
import { UnauthorizedError, UnavailableError } from '../errors.js'
import { isError, logThrown, messageOf } from '../thrown.js'
import type { TokenLifetime } from './token-lifetime.js'
import type { User } from '../user.js'
import { assertTimes, userFromClaims } from './claims.js'

/** The part of a request that @fastify/jwt decorates. */
type JwtVerify = (this: object, options?: { verify: { extractToken?: () => string, clockTimestamp?: number } }) => Promise<unknown>
type Decode = (token: string) => Readonly<Record<string, unknown>>

export interface TokenRules {
  /** The name of the request decorator that verifies: `jwtVerify`, or what a namespace makes of it. */
  method: string
  /** Reads a token's claims. */
  decode: Decode
  /** Whether the decorator looks for the token in the Authorization header. */
  readsHeader: boolean
  /** The claims that may name the user, first match wins. */
  claimNames: readonly string[]
  /** Whether a token without `exp` is refused. */
  requireExp: boolean
  lifetime: TokenLifetime
  /** True if @fastify/cookie signs the cookie that may hold the token. */
  isCookieSigned: boolean
}

/** Verifies tokens with the app's @fastify/jwt, whoever registered it, keys from functions and JWKS included. */
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
   * Verifies a request's token, wherever it came with it; the request is then decorated as `request.jwtVerify()` does it.
   *
   * @throws WSM_ERR_UNAUTHORIZED for every fault of the token, WSM_ERR_UNAVAILABLE when the key cannot be had
   */
  verify (request: FastifyRequest, token: string): Promise<User> {
    const authorization = `Bearer ${token}`
    if (request.headers.authorization !== authorization) request.headers = { authorization }
    return this.#verify(request, token)
  }

  /**
   * The same for tokens that come later, by frame, without keeping the request that the socket was opened with. Key
   * functions find a request that has nothing but `server`, `log` and this token in its `headers`.
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
      // Options of a call make @fastify/jwt build a verifier for it, which is slow: only for another header, or a wrong clock.
      const verify = { ...!readsHeader && { extractToken: () => token }, ...isOff(this.#clock) && { clockTimestamp: this.#clock.now() } }
      await (request as Record<string, JwtVerify>)[method]!(Object.keys(verify).length === 0 ? undefined : { verify })
    } catch (error) {
      // @fastify/jwt throws a RangeError for a time that Date cannot hold: the token's fault, not the key's.
      if (isError(error, RangeError)) this.#read(() => assertTimes(decode(token)))
      throw this.#toAuthError(error)
    }
    return this.#read(() => {
      // Read from the token itself: the answer of jwtVerify went through the app's formatUser, which may have dropped exp.
      const claims = decode(token)
      if (requireExp && claims.exp === undefined) throw new UnauthorizedError('The token has no expiry')
      return userFromClaims(claims, claimNames, lifetime)
    })
  }

  /** Logs the reason: the token is validly signed, so its refusal is a misconfiguration that the operator must see. */
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
      logThrown(this.#log, 'error', error, {}, 'a token could not be verified')
      return new UnavailableError('The token cannot be verified at the moment')
    }
    return new UnauthorizedError(expiredCodes.has(error.code) ? 'The token has expired' : 'The token is not valid')
  }
}

const expiredCodes: ReadonlySet<unknown> = new Set(['FST_JWT_AUTHORIZATION_TOKEN_EXPIRED', 'FAST_JWT_EXPIRED'])
/** What @fastify/jwt reports of keys, by the same prefix as the faults of tokens. */
const keyFaultCodes: ReadonlySet<unknown> = new Set(['FAST_JWT_KEY_FETCHING_ERROR', 'FAST_JWT_INVALID_OPTION'])

/**
 * Whether it is the client's fault: @fastify/jwt reports some of these as 400 or 500. A key function says it with a
 * `statusCode` of 401, for instance where it knows no such key.
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
