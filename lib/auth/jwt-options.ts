import { Type, type TObject } from '@sinclair/typebox'

const VERIFY = [
  'algorithms', 'allowedAud', 'allowedCritHeaders', 'allowedIss', 'allowedJti', 'allowedNonce', 'allowedSub', 'cache', 'cacheKeyBuilder', 'cacheTTL',
  'checkTyp', 'clockTimestamp', 'clockTolerance', 'complete', 'errorCacheTTL', 'extractToken', 'ignoreExpiration', 'ignoreNotBefore', 'key', 'maxAge',
  'onlyCookie', 'requiredClaims'
]
const SIGN = [
  'algorithm', 'aud', 'clockTimestamp', 'expiresIn', 'header', 'iss', 'jti', 'key', 'kid', 'mutatePayload', 'noTimestamp', 'nonce', 'notBefore', 'sub', 'typ'
]
const MESSAGES = [
  'authorizationTokenExpiredMessage', 'authorizationTokenInvalid', 'authorizationTokenUnsigned', 'authorizationTokenUntrusted',
  'badCookieRequestErrorMessage', 'badRequestErrorMessage', 'noAuthorizationInCookieMessage', 'noAuthorizationInHeaderMessage'
]

/**
 * Options of @fastify/jwt 10 and its fast-jwt, checked by name only: both ignore unknown names, so a misspelled `verify` would
 * leave tokens unchecked. They check the values themselves.
 */
export const JwtOptions = Type.Object({
  ...anything(['secret', 'trusted', 'formatUser', 'namespace', 'decoratorName', 'jwtDecode', 'jwtSign', 'jwtVerify']),
  decode: Type.Optional(named(['checkTyp', 'complete'])),
  sign: Type.Optional(named(SIGN)),
  verify: Type.Optional(named(VERIFY)),
  cookie: Type.Optional(named(['cookieName', 'signed'])),
  messages: Type.Optional(named(MESSAGES))
}, {
  additionalProperties: false,
  description: 'Options for @fastify/jwt; needed unless the app registered it, or with its own namespace'
})

function named (names: readonly string[]): TObject {
  return Type.Object(anything(names), { additionalProperties: false })
}

function anything (names: readonly string[]) {
  return Object.fromEntries(names.map((name) => [name, Type.Optional(Type.Unknown())]))
}
