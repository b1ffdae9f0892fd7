import { Type } from '@sinclair/typebox'
import { ClusterStatus, NodeHealth, NodeReadiness, NodeStatus } from '../schemas/records.js'
import { ErrorBody, StatusQuery } from '../schemas/rest.js'
import type { WsManager } from '../lib/manager.js'
import type { Access } from './access.js'
import { answers, tags } from './answers.js'
import type { Scope } from './scope.js'

/** The part that tells what the nodes are doing. */
export interface StatusParts { access: Access, manager: Pick<WsManager, 'getStatus'> }

export function statusRoutes (scope: Scope, { access, manager }: StatusParts): void {
  scope.get('/status', {
    schema: {
      tags, summary: 'What this node is doing, or all of them', querystring: StatusQuery, response: answers(Type.Union([ClusterStatus, NodeStatus]), 400, 401, 403, 503)
    },
    onRequest: access.permitted('status')
  }, ({ query }) => query.cluster ? manager.getStatus({ cluster: true }) : manager.getStatus())
}

/** The part that tells whether a node can be used. */
export interface ProbeParts { manager: Pick<WsManager, 'getHealth' | 'getReadiness'> }

/** Without authentication: load balancers and orchestrators have no token. The answers reveal only reasons from a fixed list. */
export function probeRoutes (scope: Scope, { manager }: ProbeParts): void {
  scope.get('/ready', {
    schema: { tags, summary: 'Readiness: whether what the nodes share works for this node, wholly or in part', response: { 200: NodeReadiness, 503: Type.Union([NodeReadiness, ErrorBody]) } }
  }, async (_request, reply) => {
    const readiness = manager.getReadiness()
    // A part that fails mostly fails on all nodes, and a load balancer must not take all of them out.
    reply.code(readiness.status === 'ready' || readiness.status === 'degraded' ? 200 : 503)
    return readiness
  })

  scope.get('/health', {
    schema: { tags, summary: 'Whether this node takes sockets', response: { 200: NodeHealth, 503: Type.Union([NodeHealth, ErrorBody]) } }
  }, async (_request, reply) => {
    const health = manager.getHealth()
    reply.code(health.status === 'healthy' ? 200 : 503)
    return health
  })
}
