import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { InvalidOptionError } from '../errors.js'
import type { Options } from '../options.js'
import { TokenVerifier } from './tokens.js'

/** What @fastify/jwt decorates the app with, by namespace or plainly. */
interface JwtDecorator {
  verify?: unknown
  decode: (token: string, options: { complete: false }) => Record<string, unknown>
  options: { verify: { extractToken?: unknown, onlyCookie?: boolean } }
}

/**
 * The app's @fastify/jwt: the one that it registered, or one that is registered here from `options.jwt`.
 *
 * @throws WSM_ERR_INVALID_OPTION where there is none and no option for one, or both
 */
export async function useJwt (fastify: FastifyInstance, { jwt, auth }: Options): Promise<TokenVerifier> {
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
  const { extractToken, onlyCookie } = decorator.options.verify
  const claimNames = typeof auth.userIdClaim === 'string' ? [auth.userIdClaim] : auth.userIdClaim
  return new TokenVerifier(method, decode, extractToken === undefined && onlyCookie !== true, claimNames, fastify.log)
}

async function register (fastify: FastifyInstance, jwt: FastifyJWTOptions | undefined): Promise<void> {
  if (jwt === undefined) {
    throw new InvalidOptionError('jwt', 'is needed, for instance { secret }, unless the app registers @fastify/jwt before this plugin')
  }
  try {
    await fastify.register(ownJwt, jwt)
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
