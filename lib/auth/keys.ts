import { createPublicKey, type KeyObject } from 'node:crypto'
import type { FastifyJWTOptions } from '@fastify/jwt'
import { InvalidOptionError, UnauthorizedError } from '../errors.js'
import { isThenable } from '../thenable.js'

type Algorithm = NonNullable<NonNullable<FastifyJWTOptions['verify']>['algorithms']>[number]
type KeyDone = (error: unknown, key?: unknown) => void
type KeyFunction = (request: unknown, token: unknown, done: KeyDone) => unknown

/** RFC 7518 section 3.2: an HMAC key has at least as many bits as its hash. */
const MIN_SECRET_BYTES = 32
const PEM = '-----BEGIN '
const BY_CURVE: Readonly<Record<string, Algorithm>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }

/**
 * Completes the options for an @fastify/jwt that this plugin registers. They name its algorithms (RFC 8725 section 3.1); without
 * any from the app, those of the given key. A key function that returns nothing reports an unknown key.
 *
 * @throws WSM_ERR_INVALID_OPTION for a secret under 32 bytes, an unreadable key, and a key function without `verify.algorithms`
 */
export function withExplicitKeys (jwt: FastifyJWTOptions): FastifyJWTOptions {
  const { secret } = jwt
  const parts = isPair(secret) ? secret : { private: secret, public: secret }
  assertStrong('jwt', parts.public)
  assertStrong('jwt', parts.private)
  const algorithms = jwt.verify?.algorithms ?? algorithmsOf(parts.public, jwt.sign?.algorithm)
  if (algorithms === undefined && typeof parts.public === 'function') {
    throw new InvalidOptionError('jwt', 'has a key function: verify.algorithms must name the algorithms to accept, for instance [\'RS256\']')
  }
  const verifying = typeof parts.public === 'function' ? refusingUnknown(parts.public as KeyFunction) : parts.public
  return {
    ...jwt,
    secret: (isPair(secret) ? { ...secret, public: verifying } : verifying) as FastifyJWTOptions['secret'],
    verify: { errorCacheTTL: 600_000, ...jwt.verify, ...(algorithms !== undefined && { algorithms: algorithms as Algorithm[] }) }
  }
}

/** @throws WSM_ERR_INVALID_OPTION that names the option, for a secret that can be guessed; other kinds of key pass */
export function assertStrong (option: string, key: unknown): void {
  if (!isText(key) || isPem(key) || Buffer.byteLength(key) >= MIN_SECRET_BYTES) return
  // @fastify/jwt itself reports an empty one.
  if (key.length > 0) throw new InvalidOptionError(option, `has a secret of ${Buffer.byteLength(key)} bytes: ${MIN_SECRET_BYTES} are needed, for instance randomBytes(32)`)
}

function algorithmsOf (key: unknown, signing: Algorithm | undefined): Algorithm[] | undefined {
  if (signing !== undefined) return [signing]
  if (!isText(key)) return undefined
  return [isPem(key) ? algorithmOf(readKey(key)) : 'HS256']
}

function readKey (pem: string | Buffer): KeyObject {
  try {
    return createPublicKey(pem)
  } catch {
    throw new InvalidOptionError('jwt', 'is not valid: its key cannot be read')
  }
}

function algorithmOf ({ asymmetricKeyType: type, asymmetricKeyDetails }: KeyObject): Algorithm {
  const algorithm = type === 'rsa' ? 'RS256' : type === 'ed25519' ? 'EdDSA' : BY_CURVE[asymmetricKeyDetails?.namedCurve ?? '']
  if (algorithm === undefined) throw new InvalidOptionError('jwt', `has a key of type ${type}: verify.algorithms must name the algorithms to accept`)
  return algorithm
}

/** @fastify/jwt treats a key function that returns nothing as an outage, but an unknown `kid` is the token's fault. */
function refusingUnknown (find: KeyFunction): KeyFunction {
  return (request, token, done) => {
    const answered: KeyDone = (error, key) => isNothing(error) && isNothing(key) ? done(unknownKey()) : done(error, key)
    const found = find(request, token, answered)
    if (!isThenable(found)) return found
    return found.then((key) => {
      if (isNothing(key)) throw unknownKey()
      return key
    })
  }
}

function unknownKey (): Error {
  return new UnauthorizedError('No key matches the token')
}

function isPair (secret: unknown): secret is { public: unknown, private?: unknown } {
  return typeof secret === 'object' && secret !== null && !Buffer.isBuffer(secret) && 'public' in secret
}

function isText (key: unknown): key is string | Buffer {
  return typeof key === 'string' || Buffer.isBuffer(key)
}

function isPem (key: string | Buffer): boolean {
  return key.toString('latin1').trimStart().startsWith(PEM)
}

function isNothing (value: unknown): boolean {
  return value === undefined || value === null
}
