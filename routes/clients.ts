import { Type } from '@sinclair/typebox'
import { ClientRecord } from '../schemas/records.js'
import { ClientParams, ClientsPage, ClientsQuery, DisconnectQuery } from '../schemas/rest.js'
import type { Client } from '../lib/connection/connection.js'
import { NotFoundError } from '../lib/errors.js'
import { found } from './access.js'
import { answers, faults, tags } from './answers.js'
import type { Routes } from './context.js'

/** A socket's place in the list. It stays where it is when that socket is gone, and so does the page behind it. */
type Place = Pick<Client, 'connectedAt' | 'id'>

export const clientRoutes: Routes = (scope, { manager, registry }, access) => {
  scope.get('/clients', {
    schema: { tags, summary: 'The open sockets, oldest first', querystring: ClientsQuery, response: answers(ClientsPage, 400, 401, 403) },
    onRequest: access.permitted('clients:list')
  }, ({ query }) => {
    const matching = registry.open(query.user_id).sort((a, b) => isBehind(a, b) ? 1 : -1)
    const rest = query.after === undefined ? matching : matching.filter(behindCursor(query.after))
    const page = rest.slice(0, query.limit)
    const next = rest.length > page.length ? cursorOf(page.at(-1)!) : null
    return { total: matching.length, clients: page.map((connection) => connection.toRecord()), next }
  })

  scope.get('/clients/:client_id', {
    schema: { tags, summary: 'One open socket', params: ClientParams, response: answers(ClientRecord, 400, 401, 403, 404) },
    onRequest: access.permitted('clients:read')
  }, ({ params }) => found(registry.getOpen(params.client_id), 'client').toRecord())

  scope.delete('/clients/:client_id', {
    schema: {
      tags,
      summary: 'Closes a socket with code 4403',
      params: ClientParams,
      querystring: DisconnectQuery,
      response: { 204: Type.Null({ description: 'The close frame has been sent' }), ...faults(400, 401, 403, 404) }
    },
    onRequest: access.permitted('clients:disconnect')
  }, async ({ params, query }, reply) => {
    if (await manager.disconnect(params.client_id, query.reason) === 0) throw new NotFoundError('There is no such client')
    reply.code(204)
    return null
  })
}

function isBehind (a: Place, b: Place): boolean {
  return a.connectedAt === b.connectedAt ? a.id > b.id : a.connectedAt > b.connectedAt
}

function cursorOf ({ connectedAt, id }: Place): string {
  return `${connectedAt}:${id}`
}

function behindCursor (cursor: string): (place: Place) => boolean {
  const [connectedAt, id] = cursor.split(':') as [string, string]
  return (place) => isBehind(place, { connectedAt: Number(connectedAt), id })
}
