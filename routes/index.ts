import type { FastifyInstance } from 'fastify'
import { Access } from './access.js'
import { answerError } from './error-answer.js'
import { channelRoutes } from './channels.js'
import { clientRoutes } from './clients.js'
import { confirmationRoutes } from './confirmations.js'
import type { RouteContext, Scope } from './context.js'
import { messageRoutes } from './messages.js'
import { revocationRoutes } from './revocations.js'
import { socketRoute } from './socket.js'
import { statusRoutes } from './status.js'
import { taskRoutes } from './tasks.js'
import { ticketRoutes } from './tickets.js'
import { validatorCompiler } from './validator.js'

/** The plugin's routes, below its path. */
export function routes (instance: FastifyInstance, context: RouteContext): void {
  instance.setErrorHandler(answerError)
  instance.setValidatorCompiler(validatorCompiler)
  const scope = instance as unknown as Scope
  const access = new Access(context.admission, context.permissions)
  for (const add of [statusRoutes, messageRoutes, clientRoutes, channelRoutes, confirmationRoutes, taskRoutes, ticketRoutes, revocationRoutes]) add(scope, context, access)
  socketRoute(instance, '', context, null)
}
