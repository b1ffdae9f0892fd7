import findMyWay from 'find-my-way'
import type { FastifyInstance } from 'fastify'

type Router = findMyWay.Instance<findMyWay.HTTPVersion.V1>
type Config = findMyWay.Config<findMyWay.HTTPVersion.V1>

/** Creates an empty router that parses URLs like the app's own. */
export function routerLike (fastify: FastifyInstance, more: Config = {}): Router {
  const config = fastify.initialConfig as { routerOptions?: object } & Record<string, unknown>
  const { caseSensitive, ignoreTrailingSlash, ignoreDuplicateSlashes, maxParamLength, useSemicolonDelimiter, allowUnsafeRegex } = { ...config, ...config.routerOptions }
  return findMyWay({ caseSensitive, ignoreTrailingSlash, ignoreDuplicateSlashes, maxParamLength, useSemicolonDelimiter, allowUnsafeRegex, ...more } as Config)
}

/** Creates a check for URLs that the app's router cannot decode; it answers those itself, before any hook. */
export function unreadableBy (fastify: FastifyInstance): (url: string) => boolean {
  // Never called.
  const route = Function.prototype as () => void
  const router = routerLike(fastify, { onBadUrl: route })
  // A router without routes does not decode URLs.
  router.on('GET', '/', route)
  return (url) => {
    // The router decodes no other character.
    if (!url.includes('%')) return false
    const found = router.find('GET', url)
    return found !== null && found.handler !== route
  }
}
