import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { InvalidOptionError } from '../errors.js'
import type { AuthOptions } from './options.js'
import { assertStrong, withExplicitKeys } from './keys.js'
import { TokenLifetime } from './token-lifetime.js'
import type { TokenRules } from './tokens.js'

/** Decorator that @fastify/jwt adds to the app, directly or by namespace. */
interface JwtDecorator {
  verify?: unknown
  cookie?: FastifyJWTOptions['cookie']
  decode: (token: string, options: { complete: false }) => Record<string, unknown>
  options: {
    sign: { key?: unknown }
    verify: Exclude<FastifyJWTOptions['verify'], undefined> & { key?: unknown }
  }
}

/**
 * Chooses the @fastify/jwt that verifies tokens: the app's own, or one registered here from `options.jwt`, which names its
 * algorithms. If the app's own names none, that only causes a warning: it may have to verify what the app's other routes accept,
 * and it never mixes secrets with public keys. Its secret can only be read if it is an option of `sign` or `verify`.
 *
 * @throws WSM_ERR_INVALID_OPTION if there is neither of them, or both, and for keys as in {@link withExplicitKeys}
 */
export async function useJwt (fastify: FastifyInstance, { jwt, auth }: AuthOptions): Promise<TokenRules> {
  const namespace = jwt?.namespace
  const isRegistered = decoratorOf(fastify, namespace) !== undefined
  if (isRegistered && jwt?.secret !== undefined) {
    throw new InvalidOptionError('jwt', 'conflicts with @fastify/jwt, which the app has registered: remove this option, or give it a namespace')
  }
  if (!isRegistered) await register(fastify, jwt)
  const method = verifyMethod(jwt)
  if (!fastify.hasRequestDecorator(method)) {
    throw new InvalidOptionError('jwt', `does not match the @fastify/jwt that the app registered: requests have no ${method}()`)
  }
  // Only the claims, even if the app decodes tokens with their headers.
  const decorator = decoratorOf(fastify, namespace)!
  const decode = (token: string) => decorator.decode(token, { complete: false })
  const { sign, verify } = decorator.options
  if (isRegistered) {
    assertStrong('jwt', sign.key)
    assertStrong('jwt', verify.key)
    if (verify.algorithms === undefined) {
      fastify.log.warn('@fastify/jwt was registered without verify.algorithms: any algorithm that fits its key is accepted; name those to accept, for instance [\'HS256\']')
    }
  }
  const claimNames = typeof auth.userIdClaim === 'string' ? [auth.userIdClaim] : auth.userIdClaim
  return {
    method,
    decode,
    readsHeader: verify.extractToken === undefined && verify.onlyCookie !== true,
    claimNames,
    requireExp: auth.requireExp,
    lifetime: new TokenLifetime(verify),
    isCookieSigned: isCookieSigned(fastify, decorator, auth.cookie)
  }
}

/**
 * Returns true if the cookie is signed: the option `cookie` of @fastify/jwt says so for the cookie that it reads.
 *
 * @throws WSM_ERR_INVALID_OPTION if @fastify/cookie has no secret to verify it
 */
function isCookieSigned (fastify: FastifyInstance, { cookie }: JwtDecorator, name: string | undefined): boolean {
  if (name === undefined || cookie?.cookieName !== name || !cookie.signed) return false
  if (!fastify.hasRequestDecorator('unsignCookie')) throw new InvalidOptionError('auth.cookie', 'names a cookie that @fastify/jwt expects to be signed: @fastify/cookie needs a secret')
  return true
}

async function register (fastify: FastifyInstance, jwt: FastifyJWTOptions | undefined): Promise<void> {
  if (jwt === undefined) {
    throw new InvalidOptionError('jwt', 'is needed, for instance { secret }, unless the app registers @fastify/jwt before this plugin')
  }
  const options = withExplicitKeys(jwt)
  try {
    await fastify.register(ownJwt, options)
  } catch (error) {
    throw new InvalidOptionError('jwt', `is not valid: ${(error as Error).message}`)
  }
}

/** Wrapped in a promise: @fastify/jwt throws if one of its decorators is taken, and errors thrown by a callback plugin cannot be caught. */
const ownJwt = fp<FastifyJWTOptions>((instance, options) => new Promise<void>((resolve, reject) => {
  fastifyJwt(instance, options, (error) => error === undefined ? resolve() : reject(error))
}), { fastify: '5.x', name: '@fastify/jwt' })

function decoratorOf (fastify: FastifyInstance, namespace: string | undefined): JwtDecorator | undefined {
  if (!fastify.hasDecorator('jwt')) return undefined
  const jwt = fastify.jwt as unknown as JwtDecorator & Record<string, JwtDecorator>
  // With namespaces only, the decorator exists but verifies nothing itself.
  return namespace === undefined ? (jwt.verify === undefined ? undefined : jwt) : jwt[namespace]
}

/** Returns the name of the request decorator; @fastify/jwt reads its option `jwtVerify` only together with a namespace. */
function verifyMethod ({ namespace, jwtVerify }: Partial<FastifyJWTOptions> = {}): string {
  return namespace === undefined ? 'jwtVerify' : jwtVerify ?? `${namespace}JwtVerify`
}
