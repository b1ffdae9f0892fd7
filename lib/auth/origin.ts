import type { FastifyRequest } from 'fastify'
import { InvalidOptionError } from '../errors.js'
import type { Limits } from '../telemetry/limits.js'

/** Valid Host header (RFC 3986 section 3.2), so that a URL parser and a server read it alike. */
const HOST = /^(?:\[[0-9a-f:.]+\]|[^\s/?#@\\:[\]]+)(?::\d+)?$/i

/** List entry whose `*` stands for exactly one label, below a domain that is not a public one. */
const WILDCARD = /^https?:\/\/\*\.(?:[^*.]+(?:\.[^*.]+)+|localhost(?::\d+)?)$/
/** Splits an origin around its first label. */
const FIRST_LABEL = /^(https?:\/\/)[a-z0-9_-]+(\..+)$/
/** Sent for pages from files by Electron, and by Chromium with --allow-file-access-from-files; browsers send `null`. */
const FILE = 'file://'

/** Methods that change nothing (RFC 9110 section 9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Decides which pages may open a socket (RFC 6455 section 10.2): browsers send a user's cookies along wherever a page connects
 * to, and name the page's origin in `Origin`.
 */
export class OriginPolicy {
  readonly #allowed: '*' | ReadonlySet<string> | null
  readonly #limit: Limits['origin']

  /**
   * @param origins allowed pages: a list of origins, compared exactly, in which `*` can stand for the first label of a host;
   *   `'*'`: all; undefined: those of the requested host
   * @param readsCookies true if cookies may identify the user
   * @throws WSM_ERR_INVALID_OPTION for an origin that no browser sends, any other use of `*`, and `'*'` with cookies
   */
  constructor (origins: '*' | readonly string[] | undefined, readsCookies: boolean, limit: Limits['origin']) {
    if (origins === '*' && readsCookies) throw new InvalidOptionError('origins', 'must not be "*" while cookies identify the user: any page could open a socket as its visitor')
    if (Array.isArray(origins)) for (const [index, origin] of origins.entries()) assertOrigin(origin, index)
    this.#limit = limit
    this.#allowed = origins === '*' ? '*' : origins === undefined ? null : new Set(origins)
  }

  /**
   * Checks a request that opens a socket or changes something. Pages can send any credential: the visitor's cookies, or a token
   * of their own. So an `Origin`, if present, always decides. Without one the request comes from no current browser, and is
   * accepted unless its credential is one that browsers add by themselves.
   *
   * @param isAmbient true if the credential is, or may be, one that browsers add by themselves
   * @throws WSM_ERR_FORBIDDEN
   */
  assertAllowed (request: FastifyRequest, isAmbient: boolean): void {
    const { origin } = request.headers
    if (this.#allowed === '*') return
    if (origin === undefined ? !isAmbient : this.#allowed === null ? isSameOrigin(origin, request) : isListed(origin, this.#allowed)) return
    throw this.#limit.refuse(origin === undefined ? 'A request with cookies, or with other credentials that browsers add, needs an Origin header' : 'This origin may not connect')
  }

  /**
   * Checks a REST request that changes something, since a form on another site also sends cookies. Reads need no check: the other
   * site does not see the response.
   *
   * @throws WSM_ERR_FORBIDDEN
   */
  assertNotForged (request: FastifyRequest, isAmbient: boolean): void {
    if (!SAFE_METHODS.has(request.method)) this.assertAllowed(request, isAmbient)
  }
}

/**
 * Compares origins (RFC 6454 section 5) as far as possible: behind a proxy that Fastify was not told to trust, an https page
 * reaches a server that sees only http; an http page never belongs to an https server.
 */
function isSameOrigin (origin: string, { host, protocol }: FastifyRequest): boolean {
  const [scheme] = origin.split('://', 1)
  if (scheme !== 'https' && (scheme !== 'http' || protocol !== 'http')) return false
  // Parsed, to normalize default ports.
  return HOST.test(host) && originOf(`${scheme}://${host}`) === origin
}

/** Returns true if the list contains the origin, literally or with `*` in place of its first label. */
function isListed (origin: string, allowed: ReadonlySet<string>): boolean {
  if (allowed.has(origin)) return true
  const [, scheme, rest] = FIRST_LABEL.exec(origin) ?? []
  return scheme !== undefined && allowed.has(`${scheme}*${rest}`)
}

/** @throws WSM_ERR_INVALID_OPTION for an origin that no page can have, or that too many can */
function assertOrigin (origin: string, index: number): void {
  const fault = (text: string) => new InvalidOptionError(`origins[${index}]`, `is "${origin}", ${text}`)
  if (origin === 'null') throw fault('which every page without an origin sends, pages of other sites included: serve the page over https, or by a scheme of the app\'s own')
  if (origin.includes('*') && !WILDCARD.test(origin)) {
    throw fault('whose * must be the whole first label of an http or https host, followed by localhost or a domain of at least two labels')
  }
  if (/^https?:/i.test(origin) ? originOf(origin) !== origin : origin.endsWith('/') && origin !== FILE) {
    throw fault('which no browser sends: write it in lower case, without a default port or trailing slash')
  }
}

/** null: not a URL. */
function originOf (url: string): string | null {
  return URL.canParse(url) ? new URL(url).origin : null
}
