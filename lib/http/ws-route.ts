import type { FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True for the routes of fastify-ws-manager. */
    wsRoute?: true
  }
}

/**
 * Returns true for a request to a route of the plugin (the socket, an endpoint, REST), which checks access itself. For app-wide
 * hooks that must skip these.
 */
export function isWsRoute (request: FastifyRequest): boolean {
  return request.routeOptions.config.wsRoute === true
}
