import { ClientDeliveryReport, DeliveryReport } from '../schemas/messages.js'
import { ChannelParams, ClientParams, RoleParams, SendBody, UserParams } from '../schemas/rest.js'
import { NotFoundError, UnavailableError } from '../lib/errors.js'
import type { Publisher } from '../lib/streams/publisher.js'
import { topicOf } from '../lib/topic-names.js'
import { partOfRequest } from '../lib/validation/faults.js'
import type { Access } from './access.js'
import { answers, tags } from './answers.js'
import type { Scope } from './scope.js'

/** Prefixes the paths of faults with `/message`, since the body holds the message there. */
const sent = <T>(report: Promise<T>): Promise<T> => report.catch((error: unknown) => { throw partOfRequest('/message', error) })

/** The parts that the message routes need. */
export interface MessageParts { access: Access, publisher: Publisher }

export function messageRoutes (scope: Scope, { access, publisher }: MessageParts): void {
  scope.post('/broadcast', {
    schema: { tags, summary: 'A message to every socket', body: SendBody, response: answers(DeliveryReport, 400, 401, 403, 413, 415, 503) },
    onRequest: access.permitted('broadcast')
  }, ({ body }) => sent(publisher.publish(topicOf.all, body.message, body.options)))

  scope.post('/users/:user_id/messages', {
    schema: {
      tags, summary: 'A message to every socket of a user', params: UserParams, body: SendBody, response: answers(DeliveryReport, 400, 401, 403, 413, 415, 503)
    },
    onRequest: access.permitted('send:user')
  }, ({ params, body }) => sent(publisher.publish(topicOf.user(params.user_id), body.message, body.options)))

  scope.post('/roles/:role/messages', {
    schema: {
      tags, summary: 'A message to every socket of the users who have a role', params: RoleParams, body: SendBody, response: answers(DeliveryReport, 400, 401, 403, 413, 415, 503)
    },
    onRequest: access.permitted('send:role')
  }, ({ params, body }) => sent(publisher.publish(topicOf.role(params.role), body.message, body.options)))

  scope.post('/channels/:channel/messages', {
    schema: {
      tags, summary: 'A message to every member of a channel', params: ChannelParams, body: SendBody, response: answers(DeliveryReport, 400, 401, 403, 413, 415, 503)
    },
    onRequest: access.permitted('send:channel')
  }, ({ params, body }) => sent(publisher.publish(topicOf.channel(params.channel), body.message, body.options)))

  scope.post('/clients/:client_id/messages', {
    schema: {
      tags, summary: 'A message to one socket', params: ClientParams, body: SendBody, response: answers(ClientDeliveryReport, 400, 401, 403, 404, 413, 415, 503)
    },
    onRequest: access.permitted('send:client')
  }, async ({ params, body }) => {
    const report = await sent(publisher.sendToClient(params.client_id, body.message, body.options))
    if (report.complete === false) throw new UnavailableError('A node that may have the client did not answer; the message may have arrived')
    if (report.recipients === 0) throw new NotFoundError('There is no such client')
    return report
  })
}
