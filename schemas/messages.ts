import { Type, type Static } from '@sinclair/typebox'
import { ClientId, MessageType, Nullable, StreamPosition, UserId } from './fields.js'

/** Fields that only the server adds; senders cannot set them. */
export const reservedFields = ['stream', 'from', 'message_id', 'requires_ack'] as const

/** Field `from` of a message that a client sent. */
export const FromField = Type.Object({ client_id: ClientId, user_id: Nullable(UserId) }, { description: 'Sender of a message from a client' })

/** Any message of the app: an object with a `type` (row F2). */
export const Message = Type.Object({ type: MessageType }, {
  additionalProperties: true,
  description: 'Any JSON object with a type; sent unchanged'
})
export type Message = Static<typeof Message> & { [field: string]: unknown }

/** Acknowledgement of a send (row A10). Missing values default to the option `ack`. */
export const AckOptions = Type.Object({
  timeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 600_000, description: 'Total time allowed for the acknowledgement, over all tries, milliseconds. Default: the option ack.timeoutMs' })),
  tries: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Maximum number of sends, at equal intervals, to sockets that have not acknowledged. Default: the option ack.tries' }))
}, { additionalProperties: false, description: 'Wait until all sockets have acknowledged the message. Default: do not wait' })
export type AckOptions = Static<typeof AckOptions>

/** Options of a single send. */
export const SendOptions = Type.Object({
  ack: Type.Optional(AckOptions),
  history: Type.Optional(Type.Boolean({ description: 'false: only connected sockets get the message, and it cannot be recovered. Default: the options history and channels' })),
  compress: Type.Optional(Type.Boolean({ description: 'false: never compress the message. Default: the option compression' })),
  except: Type.Optional(Type.Array(ClientId, { maxItems: 1000, description: 'Sockets that do not get the message. Default: none' }))
}, { additionalProperties: false })
export type SendOptions = Static<typeof SendOptions>

const acknowledged = {
  acked: Type.Optional(Type.Array(ClientId, { description: 'With ack: sockets that acknowledged the message; also empty if there was no socket' })),
  missing: Type.Optional(Type.Array(ClientId, { description: 'With ack: connected sockets that did not acknowledge the message' }))
}

/** Result of a send to a topic. The number of recipients on other nodes is unknown without acknowledgements. */
export const DeliveryReport = Type.Object({
  localRecipients: Type.Integer({ description: 'Number of sockets on this node that got the message; other nodes are not counted' }),
  position: Nullable(StreamPosition, { description: 'Position of the message in its stream; null: it is not kept' }),
  ...acknowledged,
  complete: Type.Optional(Type.Boolean({ description: 'false: other nodes may miss the message because Redis is unreachable; with ack, also if a node did not report its acknowledgements' }))
})
export type DeliveryReport = Static<typeof DeliveryReport>

/** Result of a send to one socket. */
export const ClientDeliveryReport = Type.Object({
  recipients: Type.Integer({ description: '1 if the socket was found on any node, otherwise 0' }),
  ...acknowledged,
  complete: Type.Optional(Type.Boolean({ description: 'false: the socket was not found, and at least one node did not answer' }))
})
export type ClientDeliveryReport = Static<typeof ClientDeliveryReport>
