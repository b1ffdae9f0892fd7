import { Type } from '@sinclair/typebox'
import { ClusterStatus, NodeHealth, NodeReadiness, NodeStatus } from '../schemas/records.js'
import { ErrorBody, StatusQuery } from '../schemas/rest.js'
import type { WsManager } from '../lib/manager.js'
import type { Access } from './access.js'
import { answers, tags } from './answers.js'
import { queryOf } from './query.js'
import type { Scope } from './scope.js'

/** The parts that the status route needs. */
export interface StatusParts { access: Access, manager: Pick<WsManager, 'getStatus'> }

export function statusRoutes (scope: Scope, { access, manager }: StatusParts): void {
  scope.get('/status', {
    schema: {
      tags, summary: 'Status of this node, or of all nodes', querystring: queryOf(StatusQuery), response: answers(Type.Union([ClusterStatus, NodeStatus]), 400, 401, 403, 503)
    },
    onRequest: access.permitted('status')
  }, ({ query }) => query.cluster ? manager.getStatus({ cluster: true }) : manager.getStatus())
}

/** The part that the probes need. */
export interface ProbeParts { manager: Pick<WsManager, 'getHealth' | 'getReadiness'> }

/** Registers the probes. They need no authentication, since load balancers and orchestrators have no token; answers reveal only reasons from a fixed list. */
export function probeRoutes (scope: Scope, { manager }: ProbeParts): void {
  scope.get('/ready', {
    schema: { tags, summary: 'Readiness: whether the shared parts work for this node, wholly or in part', response: { 200: NodeReadiness, 503: Type.Union([NodeReadiness, ErrorBody]) } }
  }, async (_request, reply) => {
    const readiness = manager.getReadiness()
    // A failing part usually fails on all nodes, and a load balancer must not remove all of them.
    reply.code(readiness.status === 'ready' || readiness.status === 'degraded' ? 200 : 503)
    return readiness
  })

  scope.get('/health', {
    schema: { tags, summary: 'Health: whether this node accepts sockets', response: { 200: NodeHealth, 503: Type.Union([NodeHealth, ErrorBody]) } }
  }, async (_request, reply) => {
    const health = manager.getHealth()
    reply.code(health.status === 'healthy' ? 200 : 503)
    return health
  })
}
