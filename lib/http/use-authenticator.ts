import type { FastifyInstance } from 'fastify'
import type { Clock } from '../engine/engine.js'
import { InvalidOptionError } from '../errors.js'
import type { Authenticator } from '../auth/authenticator.js'
import type { AuthOptions } from '../auth/options.js'
import { HookAuthenticator } from '../auth/hook-authenticator.js'
import { useJwt } from '../auth/jwt.js'
import { JwtAuthenticator } from '../auth/jwt-authenticator.js'
import { TokenVerifier } from '../auth/tokens.js'

/**
 * Chooses how users are identified: by the app's `authenticate`, or by JWT. The clock comes later, with the engine.
 *
 * @throws WSM_ERR_INVALID_OPTION for options of both, `verifyToken` alone, `auth.cookie` without @fastify/cookie, and the faults
 *   of {@link useJwt}
 */
export async function useAuthenticator (fastify: FastifyInstance, options: AuthOptions): Promise<(clock: Clock) => Authenticator> {
  const { authenticate, verifyToken, jwt, auth } = options
  if (authenticate !== undefined) {
    if (jwt !== undefined) throw new InvalidOptionError('jwt', 'has no effect beside authenticate, which replaces it')
    if (auth.cookie !== undefined) throw new InvalidOptionError('auth.cookie', 'has no effect beside authenticate, which reads cookies itself')
    return (clock) => new HookAuthenticator(authenticate, verifyToken, clock, fastify.log)
  }
  if (verifyToken !== undefined) throw new InvalidOptionError('verifyToken', 'has no effect without authenticate: jwt verifies tokens')
  if (auth.cookie !== undefined && !fastify.hasRequestDecorator('cookies')) {
    throw new InvalidOptionError('auth.cookie', 'needs @fastify/cookie, registered before this plugin')
  }
  const rules = await useJwt(fastify, options)
  const cookie = auth.cookie === undefined ? null : { name: auth.cookie, isSigned: rules.isCookieSigned }
  return (clock) => new JwtAuthenticator(new TokenVerifier(rules, clock, fastify.log), cookie)
}
