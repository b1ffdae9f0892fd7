import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { answerError } from './error-answer.js'
import { FileAnswer } from './file-answer.js'
import { sendable, serializerCompiler } from './json-answer.js'
import { validatorCompiler } from './validator.js'

/**
 * Isolates a route from the host: requests are validated and errors answered by the plugin, whatever compilers, formatters and error
 * handlers the host has set.
 */
export function ownRoute<R extends RouteOptions> (route: R): R {
  return {
    validatorCompiler,
    serializerCompiler,
    errorHandler: answerError,
    ...route,
    // A transform of the host for @fastify/swagger may not support TypeBox schemas.
    config: { ...{ swaggerTransform: false }, ...route.config, wsRoute: true }
  }
}

/** Does the same for all routes that a scope adds from now on, and serializes the answers of REST routes, except files. */
export function ownRoutes (scope: FastifyInstance): void {
  scope.addHook('onRoute', (route) => {
    const { handler } = route
    Object.assign(route, ownRoute(route))
    if (route.wsHandler !== undefined) return
    route.handler = async function (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) {
      const answer = await handler.call(this, request, reply)
      return answer instanceof FileAnswer ? answer.sendable(reply) : sendable(reply, answer)
    }
  })
}
