import { reservedFields } from '../../../schemas/messages.js'
import type { SendTarget } from '../../auth/decisions.js'
import type { Permissions } from '../../auth/permissions.js'
import type { TokenCheck } from '../../auth/token-check.js'
import type { Connection } from '../../socket/connection.js'
import type { Publisher } from '../publisher.js'
import { topicOf } from '../../topic-names.js'
import { toJson } from '../../protocol/delivery.js'
import { below, invalidMessage } from '../../validation/faults.js'
import type { Outbound } from '../../protocol/outbound.js'
import { builtIn } from '../../protocol/router.js'

/**
 * `user`, `channel` and `client`: send a client's message to others, if the app allows it (row J5). Receivers get the fields of `data`
 * as the message, with `from` set by the server; its type is the frame's own unless `data` has one.
 */
export const sendFrames = (publisher: Publisher, permissions: Permissions, tokenCheck: TokenCheck, outbound: Outbound) => {
  const send = async (kind: SendTarget['kind'], given: readonly string[], { data, echo }: { data: object, echo?: boolean }, connection: Connection) => {
    // The user at arrival: an `auth` frame may change it while the app is asked.
    const { id: clientId, user } = connection
    const message = { ...toMessage(kind, data, outbound), from: { client_id: clientId, user_id: user?.id ?? null } }
    // An anonymous sender is known only by its socket.
    const sender = user === null ? `client:${clientId}` : `user:${user.id}`
    const ids = new Set(given)
    if (kind === 'channel') {
      const faults = [...ids].flatMap((id) => outbound.faultsIn(id, message))
      if (faults.length > 0) throw invalidMessage(faults.map(below('/data')))
    }
    const json = toJson(message)
    // Charged once on arrival, so here once for each further target.
    if (ids.size > 1) connection.budget.charge((ids.size - 1) * Buffer.byteLength(json))
    const askedAt = tokenCheck.now()
    for (const id of ids) await permissions.send(user, { kind, id, data: message }, connection)
    for (const id of ids) {
      // Asking the app, and each send, may have taken a while.
      if (user !== null) tokenCheck.assertTokenStillValid(user, askedAt)
      if (kind === 'client') await publisher.forwardToClient(id, json)
      else await publisher.forward(topicOf[kind](id), json, { isDroppable: true, except: echo === false ? [clientId] : undefined, sender })
    }
  }
  return [
    builtIn('user', ({ message, connection }) => {
      const ids = message.user_ids ?? message.root_ids
      if (ids === undefined) throw invalidMessage([{ path: '/user_ids', message: 'Expected required property' }])
      if (ids !== message.root_ids && message.root_ids !== undefined) throw invalidMessage([{ path: '/root_ids', message: 'Must not be given together with user_ids' }])
      return send('user', ids, message, connection)
    }),
    builtIn('channel', ({ message, connection }) => send('channel', message.channel_ids, message, connection)),
    builtIn('client', ({ message, connection }) => send('client', message.client_ids, message, connection))
  ]
}

/**
 * Makes the message that the receivers get, without fields that its declared schema does not name.
 *
 * @throws WSM_ERR_INVALID_MESSAGE for data that would look like a frame of the protocol, or does not match the schema declared for its type
 */
function toMessage (kind: string, data: object, outbound: Outbound): { type: string } {
  const message: { type: string, [field: string]: unknown } = { type: kind, ...data }
  for (const field of reservedFields) delete message[field]
  return outbound.relayed(message, kind)
}
