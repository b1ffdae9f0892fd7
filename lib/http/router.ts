import findMyWay from 'find-my-way'
import type { FastifyInstance } from 'fastify'

type Router = findMyWay.Instance<findMyWay.HTTPVersion.V1>
type Config = findMyWay.Config<findMyWay.HTTPVersion.V1>

/** An empty router that reads URLs as the app's own does. */
export function routerLike (fastify: FastifyInstance, more: Config = {}): Router {
  const config = fastify.initialConfig as { routerOptions?: object } & Record<string, unknown>
  const { caseSensitive, ignoreTrailingSlash, ignoreDuplicateSlashes, maxParamLength, useSemicolonDelimiter, allowUnsafeRegex } = { ...config, ...config.routerOptions }
  return findMyWay({ caseSensitive, ignoreTrailingSlash, ignoreDuplicateSlashes, maxParamLength, useSemicolonDelimiter, allowUnsafeRegex, ...more } as Config)
}

/** Makes a check for URLs that the app's router cannot decode: it answers these itself, before any hook. */
export function unreadableBy (fastify: FastifyInstance): (url: string) => boolean {
  // Never called.
  const route = Function.prototype as () => void
  const router = routerLike(fastify, { onBadUrl: route })
  // A router without routes decodes no URL.
  router.on('GET', '/', route)
  return (url) => {
    // The only character that it decodes.
    if (!url.includes('%')) return false
    const found = router.find('GET', url)
    return found !== null && found.handler !== route
  }
}
