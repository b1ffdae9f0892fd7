import type { IncomingHttpHeaders } from 'node:http'
import { UnauthorizedError } from '../errors.js'

/** Prefix of an offered subprotocol that carries a token: browsers cannot set headers on a socket. */
export const BEARER_PROTOCOL_PREFIX = 'bearer.'
const AUTHORIZATION = 'authorization'
const BEARER_SCHEME = /^bearer\b/i
const BEARER_PREFIX = /^bearer /i
const BEARER_LENGTH = 'Bearer '.length
const LEADING_SPACES = /^ +/
const NONE: readonly string[] = []

/**
 * Reads the token of a request from the Authorization header (RFC 6750 section 2.1) or the offered subprotocols. If a subprotocol
 * carries a token, a header of another scheme (a proxy's Basic, for instance) is ignored.
 *
 * @returns null if there is none
 * @throws WSM_ERR_UNAUTHORIZED for a header that is not a bearer token, and for two different tokens
 */
export function tokenFrom (headers: IncomingHttpHeaders): string | null {
  const { authorization } = headers
  const fromProtocol = bearerProtocol(headers['sec-websocket-protocol'])
  const isForUs = authorization !== undefined && (fromProtocol === null || isBearer(authorization))
  const fromHeader = isForUs ? stripBearer(authorization) : null
  if (fromHeader !== null && fromProtocol !== null && fromHeader !== fromProtocol) {
    throw new UnauthorizedError('The request carries two different tokens')
  }
  return fromHeader ?? fromProtocol
}

/**
 * Refuses requests with ambiguous credentials. Node keeps the first of several Authorization headers, and a proxy in front may
 * have checked another.
 *
 * @throws WSM_ERR_UNAUTHORIZED for two different Authorization headers
 */
export function assertOneAuthorization (rawHeaders: readonly string[]): void {
  const values = rawHeaders.filter((_value, at) => at % 2 === 1 && isAuthorization(rawHeaders[at - 1]!))
  if (values.some((value) => value !== values[0])) throw new UnauthorizedError('The request carries two different Authorization headers')
}

/**
 * Refuses cookies with one name and different values: another host of the same site can add one, and browsers do not say which
 * host set which.
 *
 * @throws WSM_ERR_UNAUTHORIZED
 */
export function assertOneCookie ({ cookie = '' }: IncomingHttpHeaders, name: string): void {
  const values = cookie.split(';').map((pair) => pair.split('=', 1)[0]!.trim() === name ? pair.slice(pair.indexOf('=') + 1).trim() : null)
    .filter((value) => value !== null)
  if (values.some((value) => value !== values[0])) throw new UnauthorizedError(`The request carries two different cookies "${name}"`)
}

/** Returns true if `tokenFrom` finds a token or refuses a bad one; other credentials are then ignored. */
export function carriesToken ({ authorization, 'sec-websocket-protocol': offered }: IncomingHttpHeaders): boolean {
  return authorization !== undefined || offeredTokens(offered).length > 0
}

export function isBearer (authorization: string): boolean {
  return BEARER_SCHEME.test(authorization)
}

/** Strips the scheme from a token in a frame: `<jwt>` or `Bearer <jwt>`, the scheme in any case (row J6). */
export function tokenFromFrame (token: string): string {
  // Not a single pattern, which would take quadratic time on a token of many spaces.
  return BEARER_PREFIX.test(token) ? token.slice(BEARER_LENGTH).replace(LEADING_SPACES, '') : token
}

function isAuthorization (name: string): boolean {
  return name.length === AUTHORIZATION.length && name.toLowerCase() === AUTHORIZATION
}

function stripBearer (authorization: string): string {
  const match = /^bearer +([^\s,]+)$/i.exec(authorization)
  if (match === null) throw new UnauthorizedError('The Authorization header must be "Bearer <token>"')
  return match[1]!
}

function bearerProtocol (offered: string | undefined): string | null {
  const tokens = offeredTokens(offered)
  if (tokens.length > 1) throw new UnauthorizedError('The request carries two tokens')
  return tokens[0] ?? null
}

function offeredTokens (offered = ''): readonly string[] {
  // Fast path: most clients send a header.
  if (!offered.includes(BEARER_PROTOCOL_PREFIX)) return NONE
  return offered.split(',').map((name) => name.trim())
    .filter((name) => name.startsWith(BEARER_PROTOCOL_PREFIX))
    .map((name) => name.slice(BEARER_PROTOCOL_PREFIX.length))
}
