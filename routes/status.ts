import { Type } from '@sinclair/typebox'
import { Health, Status } from '../schemas/records.js'
import { ErrorBody } from '../schemas/rest.js'
import { answers, tags } from './answers.js'
import type { Routes } from './context.js'

export const statusRoutes: Routes = (scope, { manager }, access) => {
  scope.get('/status', {
    schema: { tags, summary: 'What this node is doing', response: answers(Status, 401, 403) },
    onRequest: access.permitted('status')
  }, () => manager.getStatus())

  // No token: load balancers and orchestrators have none, and the answer holds nothing worth hiding.
  scope.get('/health', {
    schema: { tags, summary: 'Whether this node takes sockets', response: { 200: Health, 503: Type.Union([Health, ErrorBody]) } }
  }, async (_request, reply) => {
    const health = manager.getHealth()
    reply.code(health.status === 'healthy' ? 200 : 503)
    return health
  })
}
