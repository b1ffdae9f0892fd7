import type { FastifyRequest } from 'fastify'
import { UnauthorizedError } from '../errors.js'
import type { Authenticator } from './authenticator.js'
import { assertOneCookie, carriesToken, tokenFrom } from './credentials.js'
import type { TokenVerifier } from './tokens.js'
import type { User } from '../user.js'

/** The cookie that may hold a token, and the request properties that @fastify/cookie adds. */
interface TokenCookie { name: string, isSigned: boolean }
interface CookieRequest { cookies?: Readonly<Record<string, string | undefined>>, unsignCookie: (value: string) => { valid: boolean, value: string | null } }

/** Reads tokens from the Authorization header, the subprotocols and, if configured, a cookie, and verifies them. */
export class JwtAuthenticator implements Authenticator {
  readonly #tokens: TokenVerifier
  readonly #cookie: TokenCookie | null

  /** @param cookie null: cookies are not read */
  constructor (tokens: TokenVerifier, cookie: TokenCookie | null) {
    this.#tokens = tokens
    this.#cookie = cookie
  }

  async authenticate (request: FastifyRequest): Promise<User | null> {
    // Browsers add cookies by themselves, so an explicitly sent token takes precedence.
    const token = tokenFrom(request.headers) ?? this.#unsigned(request)
    return token === null ? null : this.#tokens.verify(request, token)
  }

  /** Another site's page may add its own bearer token, but never one of the user's. */
  isAmbient (request: FastifyRequest): boolean {
    return !carriesToken(request.headers) && this.#fromCookie(request) !== null
  }

  get toleranceMs (): number {
    return this.#tokens.toleranceMs
  }

  detached (request: FastifyRequest): (token: string) => Promise<User> {
    return this.#tokens.detached(request)
  }

  /** Reads the token in the cookie. @throws WSM_ERR_UNAUTHORIZED for two different ones, and for a bad signature */
  #unsigned (request: FastifyRequest): string | null {
    const raw = this.#fromCookie(request)
    if (raw !== null) assertOneCookie(request.headers, this.#cookie!.name)
    if (raw === null || !this.#cookie!.isSigned) return raw
    const { valid, value } = (request as unknown as CookieRequest).unsignCookie(raw)
    if (!valid) throw new UnauthorizedError('The cookie\'s signature is not valid')
    return value
  }

  #fromCookie (request: FastifyRequest): string | null {
    if (this.#cookie === null) return null
    const { cookies } = request as Partial<CookieRequest>
    return cookies?.[this.#cookie.name] || null
  }
}
