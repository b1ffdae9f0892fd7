import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, RouteOptions } from 'fastify'

/** Parameters that open something, whether we read them or a client only believes so. */
const SECRETS: ReadonlySet<string> = new Set(['ticket', 'token', 'access_token'])
const HIDDEN = 'hidden'

/**
 * For a route whose URL may hold a ticket or a token: takes them out of the raw request's URL before the first line is
 * logged, so that no serializer, hook or error report of the app comes to see them there. Fastify has parsed the query
 * by then, and calls this first of all for a request of the route; the logger is the app's own.
 */
export function hidingSecrets (fastify: FastifyInstance): NonNullable<RouteOptions['childLoggerFactory']> {
  return function (logger, bindings, options, given) {
    const request = given as IncomingMessage & { originalUrl?: string }
    request.url = withoutSecrets(request.url!)
    // Where the app has a rewriteUrl.
    if (request.originalUrl !== undefined) request.originalUrl = withoutSecrets(request.originalUrl)
    return fastify.childLoggerFactory.call(this, logger, bindings, options, given)
  }
}

export function withoutSecrets (url: string): string {
  const start = url.indexOf('?')
  if (start === -1) return url
  // Semicolons, since an app can have those for separators too.
  return url.slice(0, start) + url.slice(start).replace(/([?&;])([^=&;]*)=([^&;#]*)/g,
    (pair, separator, name) => SECRETS.has(decoded(name)) ? `${separator}${name}=${HIDDEN}` : pair)
}

function decoded (name: string): string {
  try {
    return decodeURIComponent(name).toLowerCase()
  } catch {
    return name
  }
}
