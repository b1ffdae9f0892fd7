import type { FastifyInstance } from 'fastify'
import { Access } from './access.js'
import { limitDepth } from './body-depth.js'
import { useOwnParsers } from './body-parsers.js'
import { noCallRoute } from './call.js'
import { channelRoutes } from './channels.js'
import { clientRoutes } from './clients.js'
import { confirmationRoutes } from './confirmations.js'
import type { RouteContext, Scope } from './context.js'
import { historyRoutes } from './history.js'
import { messageRoutes } from './messages.js'
import { ownRoutes } from './own-route.js'
import { revocationRoutes } from './revocations.js'
import { socketRoute } from './socket.js'
import { probeRoutes, statusRoutes } from './status.js'
import { taskRoutes } from './tasks.js'
import { ticketRoutes } from './tickets.js'

/** The plugin's routes, below its path. */
export function routes (instance: FastifyInstance, context: RouteContext): void {
  ownRoutes(instance)
  useOwnParsers(instance)
  const access = new Access(context)
  socketRoute(instance, '', context, null)
  probeRoutes(instance as unknown as Scope, context, access)
  // In a scope of their own, since a connect must not pay for their hooks.
  instance.register(async (rest) => callerRoutes(rest, context, access))
}

/** The routes for callers who are known. */
function callerRoutes (instance: FastifyInstance, context: RouteContext, access: Access): void {
  instance.addHook('onRoute', (route) => { route.handler = access.guard(route.handler) })
  instance.addHook('preParsing', limitDepth(context.options.limits.maxDepth, context.counters))
  const scope = instance as unknown as Scope
  for (const add of [statusRoutes, messageRoutes, clientRoutes, channelRoutes, historyRoutes, confirmationRoutes, taskRoutes, ticketRoutes, revocationRoutes, noCallRoute]) add(scope, context, access)
}
