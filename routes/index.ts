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
  socketRoute(instance, '', context, null)
  const scope = instance as unknown as Scope
  const access = new Access(context)
  probeRoutes(scope, context, access)
  // All routes from here on are for callers who are known.
  instance.addHook('onRoute', (route) => { route.handler = access.guard(route.handler) })
  const { preParsing, preValidation } = bodyDepth(context.options.limits.maxDepth, context.counters)
  instance.addHook('preParsing', preParsing)
  instance.addHook('preValidation', preValidation)
  for (const add of [statusRoutes, messageRoutes, clientRoutes, channelRoutes, confirmationRoutes, taskRoutes, ticketRoutes, revocationRoutes]) add(scope, context, access)
}
