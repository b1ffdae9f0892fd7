import type { FastifyRequest } from 'fastify'
import type { Authenticator } from './authenticator.js'
import { carriesToken, tokenFrom } from './credentials.js'
import type { TokenVerifier } from './tokens.js'
import type { User } from './user.js'

/** Reads tokens from the Authorization header, the subprotocols and, where it is told to, a cookie, and verifies them. */
export class JwtAuthenticator implements Authenticator {
  readonly #tokens: TokenVerifier
  readonly #cookie: string | undefined

  /** @param cookie the name of the cookie that may hold a token, which @fastify/cookie has parsed */
  constructor (tokens: TokenVerifier, cookie: string | undefined) {
    this.#tokens = tokens
    this.#cookie = cookie
  }

  async identify (request: FastifyRequest): Promise<User | null> {
    // A cookie comes along unasked: what was sent on purpose goes before it.
    const token = tokenFrom(request.headers) ?? this.#fromCookie(request)
    return token === null ? null : this.#tokens.verify(request, token)
  }

  /** Another site's page may add a bearer token of its own, but not one of the user's. */
  isAmbient (request: FastifyRequest): boolean {
    return !carriesToken(request.headers) && this.#fromCookie(request) !== null
  }

  detached (request: FastifyRequest): (token: string) => Promise<User> {
    return this.#tokens.detached(request)
  }

  #fromCookie (request: FastifyRequest): string | null {
    if (this.#cookie === undefined) return null
    const { cookies } = request as { cookies?: Readonly<Record<string, string | undefined>> }
    return cookies?.[this.#cookie] || null
  }
}
