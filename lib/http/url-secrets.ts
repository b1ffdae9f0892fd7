import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { unreadableBy } from './router.js'
import { scopesAround } from './scopes.js'

/**
 * Query parameters that carry credentials, including ones that the plugin does not read: also as lists (`ticket[]`), and behind
 * stray separators (`??ticket`).
 */
const SECRETS = /^[^a-z]*(ticket|token|access_token)/
const HIDDEN = 'hidden'

/** A request of HTTP/1.1 or 2; with `originalUrl` where the app has a rewriteUrl. */
type RawRequest = Pick<IncomingMessage, 'url' | 'headers'> & { originalUrl?: string }

/**
 * For a route whose URL may hold a ticket or a token: takes them out of the raw request's URL before the first line is
 * logged, so that no serializer, hook or error report of the app comes to see them there. Fastify has parsed the query
 * by then, and calls this first of all for a request of the route; the logger is the app's own.
 */
export function hidingSecrets (fastify: FastifyInstance): NonNullable<RouteOptions['childLoggerFactory']> {
  return function (logger, bindings, options, request) {
    hideSecrets(request)
    return fastify.childLoggerFactory.call(this, logger, bindings, options, request)
  }
}

/**
 * The same for every URL on or below a path, with a route or without: Fastify generates the request id after it has parsed the
 * query and before it logs. With a client-sent id it would skip the generator, so the header is put aside until then.
 *
 * @returns to be called with each request before Fastify has it
 */
export function hideSecretsBelow (fastify: FastifyInstance, path: string): (request: RawRequest) => void {
  const { requestIdHeader } = fastify.initialConfig
  const header = typeof requestIdHeader === 'string' ? requestIdHeader.toLowerCase() : null
  // Fastify answers a URL that cannot be decoded with the URL itself, and asks for no id.
  const isUnreadable = unreadableBy(fastify)
  const ids = new WeakMap<RawRequest, string | string[]>()
  const isConcerned = ({ url, originalUrl }: RawRequest) => mayHoldSecrets(url!) && (isBelow(url!, path) || (originalUrl !== undefined && isBelow(originalUrl, path)))
  // Fastify answers an unknown route from its root instance.
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

/** Whether a URL is a path or below it, however it is written. */
export function isBelow (url: string, path: string): boolean {
  const plain = decoded(pathOf(url)).replace(/\/+/g, '/')
  return plain === path.toLowerCase() || plain.startsWith(`${path.toLowerCase()}/`)
}

/** The path of a URL, without origin and query, still encoded. */
export function pathOf (url: string): string {
  return url.replace(/^[a-z][\w+.-]*:\/\/[^/?#]*/i, '').split(/[?;#]/, 1)[0]!
}

export function withoutSecrets (url: string): string {
  if (!mayHoldSecrets(url)) return url
  // The router takes what is behind a # for the query, too. Semicolons, since an app can have those for separators.
  return url.replace(/([?&;#])([^=?&;#]*)=([^&;#]*)/g,
    (pair, separator, name) => SECRETS.test(decoded(name)) ? `${separator}${name}=${HIDDEN}` : pair)
}

function hideSecrets (request: RawRequest): void {
  request.url = withoutSecrets(request.url!)
  if (request.originalUrl !== undefined) request.originalUrl = withoutSecrets(request.originalUrl)
  // HTTP/2 has it among the headers, too.
  if (request.headers[':path'] !== undefined) request.headers[':path'] = withoutSecrets(request.headers[':path'] as string)
}

/** Quick check: most URLs have no query. */
function mayHoldSecrets (url: string): boolean {
  return url.includes('=')
}

/** Decodes to lower case; bytes that are not UTF-8 are replaced. */
function decoded (text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString()).toLowerCase()
}
