import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { unreadableBy } from './router.js'
import { scopesAround } from './scopes.js'

/**
 * Query parameters that carry credentials, including ones that the plugin does not read; also as lists (`ticket[]`), and behind
 * stray separators (`??ticket`).
 */
const SECRETS = /^[^a-z]*(ticket|token|access_token)/
const HIDDEN = 'hidden'

/** A request of HTTP/1.1 or 2; has `originalUrl` if the app has a rewriteUrl. */
type RawRequest = Pick<IncomingMessage, 'url' | 'headers'> & { originalUrl?: string }

/**
 * Removes tickets and tokens from the URL of a route's raw request before the first line is logged, so no serializer, hook or
 * error report of the app sees them. Fastify has parsed the query by then, and calls this before anything else for a request of
 * the route; the logger is the app's own.
 */
export function hidingSecrets (fastify: FastifyInstance): NonNullable<RouteOptions['childLoggerFactory']> {
  return function (logger, bindings, options, request) {
    hideSecrets(request)
    return fastify.childLoggerFactory.call(this, logger, bindings, options, request)
  }
}

/**
 * Does the same for every URL on or below a path, even without a route: Fastify generates the request id after parsing the query
 * and before logging. A client-sent id would skip the generator, so that header is set aside until then.
 *
 * @returns function to call with each request before Fastify receives it
 */
export function hideSecretsBelow (fastify: FastifyInstance, path: string): (request: RawRequest) => void {
  const { requestIdHeader } = fastify.initialConfig
  const header = typeof requestIdHeader === 'string' ? requestIdHeader.toLowerCase() : null
  // Fastify answers an undecodable URL with the URL itself, and requests no id.
  const isUnreadable = unreadableBy(fastify)
  const ids = new WeakMap<RawRequest, string | string[]>()
  const isConcerned = ({ url, originalUrl }: RawRequest) => mayHoldSecrets(url!) && (isBelow(url!, path) || (originalUrl !== undefined && isBelow(originalUrl, path)))
  // Fastify answers unknown routes from its root instance.
  for (const instance of new Set([fastify, scopesAround(fastify).at(-1)!])) {
    const { genReqId } = instance as FastifyInstance & { genReqId: (request: RawRequest) => string }
    instance.setGenReqId((request) => {
      const id = ids.get(request)
      if (id !== undefined) request.headers[header!] = id
      if (isConcerned(request)) hideSecrets(request)
      return genReqId(request)
    })
  }
  return (request) => {
    if (!mayHoldSecrets(request.url!)) return
    if (isUnreadable(request.url!)) hideSecrets(request)
    const id = header === null ? undefined : request.headers[header]
    if (id === undefined) return
    ids.set(request, id)
    delete request.headers[header!]
  }
}

/** Returns true if a URL is a path or below it, however it is encoded. */
export function isBelow (url: string, path: string): boolean {
  const plain = decoded(pathOf(url)).replace(/\/+/g, '/')
  return plain === path.toLowerCase() || plain.startsWith(`${path.toLowerCase()}/`)
}

/** Returns the path of a URL, without origin and query, still encoded. */
export function pathOf (url: string): string {
  return url.replace(/^[a-z][\w+.-]*:\/\/[^/?#]*/i, '').split(/[?;#]/, 1)[0]!
}

export function withoutSecrets (url: string): string {
  if (!mayHoldSecrets(url)) return url
  // The router treats text behind a # as query, too. Semicolons, since an app can enable them as separators.
  return url.replace(/([?&;#])([^=?&;#]*)=([^&;#]*)/g,
    (pair, separator, name) => SECRETS.test(decoded(name)) ? `${separator}${name}=${HIDDEN}` : pair)
}

function hideSecrets (request: RawRequest): void {
  request.url = withoutSecrets(request.url!)
  if (request.originalUrl !== undefined) request.originalUrl = withoutSecrets(request.originalUrl)
  // HTTP/2 also has it among the headers.
  if (request.headers[':path'] !== undefined) request.headers[':path'] = withoutSecrets(request.headers[':path'] as string)
}

/** Quick check: most URLs have no query. */
function mayHoldSecrets (url: string): boolean {
  return url.includes('=')
}

/** Decodes to lower case; invalid UTF-8 is replaced. */
function decoded (text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString()).toLowerCase()
}
