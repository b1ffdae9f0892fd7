import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { InvalidOptionError } from '../errors.js'
import type { AuthOptions } from './options.js'
import { assertStrong, withExplicitKeys } from './keys.js'
import { TokenLifetime } from './token-lifetime.js'
import type { TokenRules } from './tokens.js'

/** What @fastify/jwt decorates the app with, by namespace or plainly. */
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
 * Rules by which the app's @fastify/jwt verifies tokens: the one that it registered, or one that is registered here from
 * `options.jwt`. Ours names its algorithms. One of the app's that names none is only warned of: it may verify what the app's other routes take, and
 * by itself it never mixes secrets with public keys. Its secret cannot be read, except where it is an option of
 * `sign` or `verify`.
 *
 * @throws WSM_ERR_INVALID_OPTION where there is none and no option for one, or both, and for keys as in
 *   {@link withExplicitKeys}
 */
export async function useJwt (fastify: FastifyInstance, { jwt, auth }: AuthOptions): Promise<TokenRules> {
  const namespace = jwt?.namespace
  const isRegistered = decoratorOf(fastify, namespace) !== undefined
  if (isRegistered && jwt?.secret !== undefined) {
    throw new InvalidOptionError('jwt', 'is given, but the app has registered @fastify/jwt: leave it out, or give it a namespace of its own')
  }
  if (!isRegistered) await register(fastify, jwt)
  const method = verifyMethod(jwt)
  if (!fastify.hasRequestDecorator(method)) {
    throw new InvalidOptionError('jwt', `is not as the app registered @fastify/jwt: requests have no ${method}()`)
  }
  // The claims alone, also where the app decodes tokens with their headers.
  const decorator = decoratorOf(fastify, namespace)!
  const decode = (token: string) => decorator.decode(token, { complete: false })
  const { sign, verify } = decorator.options
  if (isRegistered) {
    assertStrong('jwt', sign.key)
    assertStrong('jwt', verify.key)
    if (verify.algorithms === undefined) {
      fastify.log.warn('@fastify/jwt was registered without verify.algorithms: whatever fits the kind of its key is accepted; name them, for instance [\'HS256\']')
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
 * Tells whether the cookie of that name is signed: the option `cookie` of @fastify/jwt says so of the one that it reads.
 *
 * @throws WSM_ERR_INVALID_OPTION where @fastify/cookie has no secret to check it with
 */
function isCookieSigned (fastify: FastifyInstance, { cookie }: JwtDecorator, name: string | undefined): boolean {
  if (name === undefined || cookie?.cookieName !== name || !cookie.signed) return false
  if (!fastify.hasRequestDecorator('unsignCookie')) throw new InvalidOptionError('auth.cookie', 'names a cookie that @fastify/jwt takes for signed: @fastify/cookie needs a secret')
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

/** @fastify/jwt throws where a decorator of its is taken, and what a plugin with a callback throws nobody can catch. */
const ownJwt = fp<FastifyJWTOptions>((instance, options) => new Promise<void>((resolve, reject) => {
  fastifyJwt(instance, options, (error) => error === undefined ? resolve() : reject(error))
}), { fastify: '5.x', name: '@fastify/jwt' })

function decoratorOf (fastify: FastifyInstance, namespace: string | undefined): JwtDecorator | undefined {
  if (!fastify.hasDecorator('jwt')) return undefined
  const jwt = fastify.jwt as unknown as JwtDecorator & Record<string, JwtDecorator>
  // With namespaces only, there is a decorator, but it verifies nothing itself.
  return namespace === undefined ? (jwt.verify === undefined ? undefined : jwt) : jwt[namespace]
}

/** How @fastify/jwt names the request's decorator; it reads its option `jwtVerify` beside a namespace alone. */
function verifyMethod ({ namespace, jwtVerify }: Partial<FastifyJWTOptions> = {}): string {
  return namespace === undefined ? 'jwtVerify' : jwtVerify ?? `${namespace}JwtVerify`
}
