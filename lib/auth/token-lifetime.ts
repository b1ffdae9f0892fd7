import { parse } from '@lukeed/ms'
import type { FastifyJWTOptions } from '@fastify/jwt'

type VerifyOptions = Pick<NonNullable<FastifyJWTOptions['verify']>, 'clockTolerance' | 'maxAge' | 'ignoreExpiration'>

/** Lifetime of tokens as @fastify/jwt computes it: a socket must not end earlier, nor open later. */
export class TokenLifetime {
  readonly #toleranceMs: number
  readonly #maxAgeMs: number
  readonly #ignoresExpiry: boolean

  /** @param verify options of @fastify/jwt as given by the app: `clockTolerance` in milliseconds, `maxAge` in seconds or as text */
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
   * Computes the expiry of a token, milliseconds since 1970; null: never.
   *
   * @param expiry claim `exp`
   * @param issuedAt claim `iat`
   */
  endOf (expiry: number | null, issuedAt: number | null): number | null {
    const end = Math.min(expiry === null ? Infinity : expiry + this.toleranceMs, issuedAt === null ? Infinity : issuedAt + this.#maxAgeMs)
    return end === Infinity ? null : end
  }
}
