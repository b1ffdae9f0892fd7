import { Type } from '@sinclair/typebox'
import { ClientRecord } from '../schemas/records.js'
import { ClientParams, ClientsPage, ClientsQuery, DisconnectQuery } from '../schemas/rest.js'
import { NotFoundError } from '../lib/errors.js'
import type { Nodes } from '../lib/cluster/nodes.js'
import type { WsManager } from '../lib/manager.js'
import { found, type Access } from './access.js'
import { answers, faults, tags } from './answers.js'
import { queryOf } from './query.js'
import type { Scope } from './scope.js'

/** The parts that list and close the sockets of all nodes. */
export interface ClientParts { access: Access, manager: Pick<WsManager, 'disconnect'>, nodes: Nodes }

export function clientRoutes (scope: Scope, { access, manager, nodes }: ClientParts): void {
  scope.get('/clients', {
    schema: { tags, summary: 'The open sockets of all nodes, oldest first', querystring: queryOf(ClientsQuery), response: answers(ClientsPage, 400, 401, 403, 503) },
    onRequest: access.permitted('clients:list')
  }, ({ query }) => nodes.clients(query))

  scope.get('/clients/:client_id', {
    schema: { tags, summary: 'One open socket', params: ClientParams, response: answers(ClientRecord, 400, 401, 403, 404, 503) },
    onRequest: access.permitted('clients:read')
  }, async ({ params }) => found(await nodes.client(params.client_id), 'client'))

  scope.delete('/clients/:client_id', {
    schema: {
      tags,
      summary: 'Closes a socket with code 4403',
      params: ClientParams,
      querystring: queryOf(DisconnectQuery),
      response: { 204: Type.Null({ description: 'The socket is closed' }), ...faults(400, 401, 403, 404, 429, 503) }
    },
    onRequest: access.permitted('clients:disconnect')
  }, async ({ params, query }, reply) => {
    if (await manager.disconnect(params.client_id, query.reason) === 0) throw new NotFoundError('There is no such client')
    reply.code(204)
    return null
  })
}
