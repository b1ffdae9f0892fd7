import { parse } from '@lukeed/ms'
import type { FastifyJWTOptions } from '@fastify/jwt'

type VerifyOptions = Pick<NonNullable<FastifyJWTOptions['verify']>, 'clockTolerance' | 'maxAge' | 'ignoreExpiration'>

/** Lifetime of tokens, as the verifier of @fastify/jwt sees it: a socket must not end before, nor open after. */
export class TokenLifetime {
  readonly #toleranceMs: number
  readonly #maxAgeMs: number
  readonly #ignoresExpiry: boolean

  /** @param verify options of @fastify/jwt, as the app gives them: a `clockTolerance` in milliseconds, a `maxAge` in seconds or as text */
  constructor ({ clockTolerance = 0, maxAge, ignoreExpiration = false }: VerifyOptions) {
    this.#toleranceMs = clockTolerance
    this.#maxAgeMs = (typeof maxAge === 'number' ? maxAge * 1000 : parse(maxAge ?? '')) ?? Infinity
    this.#ignoresExpiry = ignoreExpiration
  }

  /** See `Authenticator.toleranceMs`. */
  get toleranceMs (): number {
    return this.#ignoresExpiry ? Infinity : this.#toleranceMs
  }

  /**
   * Until when a token is good, milliseconds since 1970; null: for ever.
   *
   * @param expiry its claim `exp`
   * @param issuedAt its claim `iat`
   */
  endOf (expiry: number | null, issuedAt: number | null): number | null {
    const end = Math.min(expiry === null ? Infinity : expiry + this.toleranceMs, issuedAt === null ? Infinity : issuedAt + this.#maxAgeMs)
    return end === Infinity ? null : end
  }
}
