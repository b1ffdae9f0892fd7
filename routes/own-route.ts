import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { answerError } from './error-answer.js'
import { sendable, serializerCompiler } from './json-answer.js'
import { validatorCompiler } from './validator.js'

/**
 * Makes a route the plugin's own: it checks requests and answers faults by itself, whatever compilers, formatters and error handlers
 * the host has set for its routes.
 */
export function ownRoute<R extends RouteOptions> (route: R): R {
  return {
    validatorCompiler,
    serializerCompiler,
    errorHandler: answerError,
    ...route,
    // A transform of the host for @fastify/swagger may only read schemas of its own kind.
    config: { ...route.config, wsRoute: true, ...{ swaggerTransform: false } }
  }
}

/** The same for all routes that a scope adds from now on, REST routes with their answers. */
export function ownRoutes (scope: FastifyInstance): void {
  scope.addHook('onRoute', (route) => {
    const { handler } = route
    Object.assign(route, ownRoute(route))
    if (route.wsHandler !== undefined) return
    route.handler = async function (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) {
      return sendable(reply, await handler.call(this, request, reply))
    }
  })
}
