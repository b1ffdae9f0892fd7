import type { FastifyInstance, RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Nodes } from '../lib/cluster/nodes.js'
import type { Shutdown } from '../lib/http/shutdown.js'
import type { UpgradeGate } from '../lib/http/upgrade-gate.js'
import type { Upgrades } from '../lib/http/upgrades.js'
import type { WebSocketServer } from '../lib/http/websocket-server.js'
import type { WsManager } from '../lib/manager.js'
import type { Options } from '../lib/options.js'
import type { System } from '../lib/node.js'

/** What the routes work on. */
export interface RouteContext extends Omit<System, 'close'> {
  manager: WsManager
  nodes: Nodes
  options: Options
  shutdown: Shutdown
  upgrades: Upgrades
  gate: UpgradeGate
  webSocketServer: WebSocketServer
}

/** A Fastify instance whose handlers are typed by their TypeBox schemas. */
export type Scope = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, TypeBoxTypeProvider>

/** One file of routes. */
export type Routes = (scope: Scope, context: RouteContext, access: import('./access.js').Access) => void
