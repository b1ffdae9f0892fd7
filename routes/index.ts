import type { FastifyInstance } from 'fastify'
import type { WsManager } from '../lib/manager.js'
import type { Node } from '../lib/node.js'
import type { Description } from '../lib/asyncapi/description.js'
import type { Access } from './access.js'
import { asyncApiRoute } from './asyncapi.js'
import { limitDepth } from './body-depth.js'
import { useOwnParsers } from './body-parsers.js'
import { noCallRoute } from './call.js'
import { channelRoutes } from './channels.js'
import { clientScriptRoute } from './client-script.js'
import { clientRoutes } from './clients.js'
import { confirmationRoutes } from './confirmations.js'
import { historyRoutes } from './history.js'
import { messageRoutes } from './messages.js'
import { bearerConfig } from './openapi.js'
import { ownRoutes } from './own-route.js'
import { revocationRoutes } from './revocations.js'
import type { Scope } from './scope.js'
import { socketRoute, type SocketParts } from './socket.js'
import { probeRoutes, statusRoutes } from './status.js'
import { taskRoutes } from './tasks.js'
import { ticketRoutes } from './tickets.js'

/** The parts of a node that are passed to the routes; each file gets only those that it declares. */
export interface RouteParts {
  node: Node
  manager: WsManager
  access: Access
  sockets: SocketParts
  description: Description
  /** Whether the AsyncAPI document is public. */
  isDescriptionPublic: boolean
  /** True if the browser client is served. */
  servesClientScript: boolean
  /** Whether callers are identified by bearer tokens; otherwise only the app knows how. */
  takesBearer: boolean
  /** Maximum depth of a body's JSON. */
  maxDepth: number
}

/** Registers the plugin's routes below its path. */
export function routes (instance: FastifyInstance, parts: RouteParts): void {
  ownRoutes(instance)
  useOwnParsers(instance)
  socketRoute(instance, '', parts.sockets, null)
  probeRoutes(instance as unknown as Scope, { manager: parts.manager })
  if (parts.servesClientScript) clientScriptRoute(instance as unknown as Scope)
  if (parts.isDescriptionPublic) asyncApiRoute(instance as unknown as Scope, parts, true)
  // In a scope of their own, so that their hooks do not slow down connects.
  instance.register(async (rest) => callerRoutes(rest, parts))
}

/** Registers the routes that identify their callers. */
function callerRoutes (instance: FastifyInstance, { node, manager, access, description, isDescriptionPublic, takesBearer, maxDepth }: RouteParts): void {
  const { publisher, topics, presence, history, rules, permissions, confirmations, tasks, tickets, revocations, requests, counters } = node
  const config = bearerConfig(false)
  instance.addHook('onRoute', (route) => {
    route.handler = access.guard(route.handler)
    if (takesBearer) Object.assign(route.config!, config)
  })
  instance.addHook('preParsing', limitDepth(maxDepth, counters.limits.depth))
  const scope = instance as unknown as Scope
  statusRoutes(scope, { access, manager })
  if (!isDescriptionPublic) asyncApiRoute(scope, { access, description }, false)
  messageRoutes(scope, { access, publisher })
  clientRoutes(scope, { access, manager, nodes: manager.nodes })
  channelRoutes(scope, { access, topics, presence })
  historyRoutes(scope, { access, history, rules, permissions, tasks })
  confirmationRoutes(scope, { access, confirmations })
  taskRoutes(scope, { access, tasks })
  ticketRoutes(scope, { access, tickets })
  revocationRoutes(scope, { access, revocations, requests })
  noCallRoute(scope, { access })
}
