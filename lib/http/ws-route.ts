import type { FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True for the routes of fastify-ws-manager. */
    wsRoute?: true
  }
}

/**
 * Tells whether a request is for a route of the plugin (the socket, an endpoint, REST), which decides by itself who may use it: for hooks of
 * the app that hold for all routes and must leave these out.
 */
export function isWsRoute (request: FastifyRequest): boolean {
  return request.routeOptions.config.wsRoute === true
}
