import type { FastifyInstance } from 'fastify'
import { Access } from './access.js'
import { bodyDepth } from './body-depth.js'
import { answerError } from './error-answer.js'
import { channelRoutes } from './channels.js'
import { clientRoutes } from './clients.js'
import { confirmationRoutes } from './confirmations.js'
import type { RouteContext, Scope } from './context.js'
import { messageRoutes } from './messages.js'
import { revocationRoutes } from './revocations.js'
import { socketRoute } from './socket.js'
import { probeRoutes, statusRoutes } from './status.js'
import { taskRoutes } from './tasks.js'
import { ticketRoutes } from './tickets.js'
import { validatorCompiler } from './validator.js'

/** The plugin's routes, below its path. */
export function routes (instance: FastifyInstance, context: RouteContext): void {
  instance.setErrorHandler(answerError)
  instance.setValidatorCompiler(validatorCompiler)
  const access = new Access(context)
  socketRoute(instance, '', context, null)
  probeRoutes(instance as unknown as Scope, context, access)
  // In a scope of their own, since a connect must not pay for their hooks.
  instance.register(async (rest) => callerRoutes(rest, context, access))
}

/** The routes for callers who are known. */
function callerRoutes (instance: FastifyInstance, context: RouteContext, access: Access): void {
  instance.addHook('onRoute', (route) => { route.handler = access.guard(route.handler) })
  const { preParsing, preValidation } = bodyDepth(context.options.limits.maxDepth, context.counters)
  instance.addHook('preParsing', preParsing)
  instance.addHook('preValidation', preValidation)
  const scope = instance as unknown as Scope
  for (const add of [statusRoutes, messageRoutes, clientRoutes, channelRoutes, confirmationRoutes, taskRoutes, ticketRoutes, revocationRoutes]) add(scope, context, access)
}
