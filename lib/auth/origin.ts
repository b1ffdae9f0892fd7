import type { FastifyRequest } from 'fastify'
import { ForbiddenError, InvalidOptionError } from '../errors.js'

/** What may stand in a Host header (RFC 3986 section 3.2), so that it means to a URL parser what it means to a server. */
const HOST = /^(?:\[[0-9a-f:.]+\]|[^\s/?#@\\:[\]]+)(?::\d+)?$/i

/** An entry of the list whose `*` stands for exactly one label, below a domain that is not everybody's. */
const WILDCARD = /^https?:\/\/\*\.(?:[^*.]+(?:\.[^*.]+)+|localhost(?::\d+)?)$/
/** An origin in two parts, its first label left out. */
const FIRST_LABEL = /^(https?:\/\/)[a-z0-9_-]+(\..+)$/
/** Sent for pages from files by Electron, and by Chromium with --allow-file-access-from-files; browsers send `null`. */
const FILE = 'file://'

/** Methods that change nothing (RFC 9110 section 9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Which pages may open a socket (RFC 6455 section 10.2): a browser sends a user's cookies along wherever a page connects
 * to, and says in `Origin` whose page it is.
 */
export class OriginPolicy {
  readonly #allowed: '*' | ReadonlySet<string> | null

  /**
   * @param origins which pages: a list of origins, compared to the letter, in which `*` can stand for the first label of a host;
   *   `'*'`: all; undefined: those of the host that the request is addressed to
   * @param readsCookies whether cookies may say who the user is
   * @throws WSM_ERR_INVALID_OPTION for an origin that no browser would send, for any other `*`, and for `'*'` with cookies
   */
  constructor (origins: '*' | readonly string[] | undefined, readsCookies: boolean) {
    if (origins === '*' && readsCookies) throw new InvalidOptionError('origins', 'must not be "*" while cookies identify the user: any page could open a socket as its visitor')
    if (Array.isArray(origins)) for (const [index, origin] of origins.entries()) assertOrigin(origin, index)
    this.#allowed = origins === '*' ? '*' : origins === undefined ? null : new Set(origins)
  }

  /**
   * Checks a request that opens a socket, or changes something. A page may be able to send any credential: the visitor's
   * cookies, or a token of its own. So where there is an `Origin` it counts, whatever else there is. Without one the request
   * comes from no browser that is up to date, and is let in unless its credential is one that browsers add by themselves.
   *
   * @param isAmbient whether the credential is, or may be, one that browsers add by themselves
   * @throws WSM_ERR_FORBIDDEN
   */
  assertAllowed (request: FastifyRequest, isAmbient: boolean): void {
    const { origin } = request.headers
    if (this.#allowed === '*') return
    if (origin === undefined ? !isAmbient : this.#allowed === null ? isSameOrigin(origin, request) : isListed(origin, this.#allowed)) return
    throw new ForbiddenError(origin === undefined ? 'A request with cookies, or with other credentials that browsers add, needs an Origin header' : 'This origin may not connect')
  }

  /**
   * Checks a REST request that changes something: a form on another site sends cookies, too. What only reads needs no
   * check, since that site does not see the answer.
   *
   * @throws WSM_ERR_FORBIDDEN
   */
  assertNotForged (request: FastifyRequest, isAmbient: boolean): void {
    if (!SAFE_METHODS.has(request.method)) this.assertAllowed(request, isAmbient)
  }
}

/**
 * RFC 6454 section 5, as far as it can be known: behind a proxy that Fastify was not told to trust a page of https comes to
 * a server that only sees http; a page of http never belongs to a server of https.
 */
function isSameOrigin (origin: string, { host, protocol }: FastifyRequest): boolean {
  const [scheme] = origin.split('://', 1)
  if (scheme !== 'https' && (scheme !== 'http' || protocol !== 'http')) return false
  // Parsed, so that a default port counts for none.
  return HOST.test(host) && originOf(`${scheme}://${host}`) === origin
}

/** Tells whether an origin is in the list, as it is or by a `*` in place of its first label. */
function isListed (origin: string, allowed: ReadonlySet<string>): boolean {
  if (allowed.has(origin)) return true
  const [, scheme, rest] = FIRST_LABEL.exec(origin) ?? []
  return scheme !== undefined && allowed.has(`${scheme}*${rest}`)
}

/** @throws WSM_ERR_INVALID_OPTION for what no page can have as its origin, or too many can */
function assertOrigin (origin: string, index: number): void {
  const fault = (text: string) => new InvalidOptionError(`origins[${index}]`, `is "${origin}", ${text}`)
  if (origin === 'null') throw fault('the origin of every page that has none, also of other sites: serve the page by https, or by a scheme of the app\'s own')
  if (origin.includes('*') && !WILDCARD.test(origin)) {
    throw fault('whose * stands for something else than the first label of a host of http or https, with a domain of two labels or localhost behind it')
  }
  if (/^https?:/i.test(origin) ? originOf(origin) !== origin : origin.endsWith('/') && origin !== FILE) {
    throw fault('which no browser sends: write it in lower case, without default port and trailing slash')
  }
}

/** null: it is no URL. */
function originOf (url: string): string | null {
  return URL.canParse(url) ? new URL(url).origin : null
}
