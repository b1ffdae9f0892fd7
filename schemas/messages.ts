import { Type, type Static } from '@sinclair/typebox'
import { ClientId, MessageType, Nullable, StreamPosition } from './fields.js'

/** Fields that only the server adds; senders cannot set them. */
export const reservedFields = ['stream', 'from', 'message_id', 'requires_ack'] as const

/** Any message of the app: an object with a `type` (row F2). */
export const Message = Type.Object({ type: MessageType }, {
  additionalProperties: true,
  description: 'Any JSON object with a type; sent as it is'
})
export type Message = Static<typeof Message> & { [field: string]: unknown }

/** Acknowledgement of a send (row A10). Missing values default to the option `ack`. */
export const AckOptions = Type.Object({
  timeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 600_000, description: 'How long it is waited for in all, the tries together, milliseconds; by default as the option ack says' })),
  tries: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'How often it is sent, at equal intervals, to those that have not answered; by default as the option ack says' }))
}, { additionalProperties: false, description: 'Wait until the clients have acknowledged the message; by default not' })
export type AckOptions = Static<typeof AckOptions>

/** Options of a single send. */
export const SendOptions = Type.Object({
  ack: Type.Optional(AckOptions),
  history: Type.Optional(Type.Boolean({ description: 'false: only connected clients get it, and it cannot be recovered; by default as the options history and channels say' })),
  compress: Type.Optional(Type.Boolean({ description: 'false: never compressed; by default as the option compression says' })),
  except: Type.Optional(Type.Array(ClientId, { maxItems: 1000, description: 'Sockets that do not get the message; by default none' }))
}, { additionalProperties: false })
export type SendOptions = Static<typeof SendOptions>

const acknowledged = {
  acked: Type.Optional(Type.Array(ClientId, { description: 'With ack: the sockets that acknowledged it; empty: none has, also where there is none' })),
  missing: Type.Optional(Type.Array(ClientId, { description: 'With ack: the sockets that did not; of those that were there' }))
}

/** Result of a send to a topic. The number of recipients on other nodes is unknown without acknowledgements. */
export const DeliveryReport = Type.Object({
  localRecipients: Type.Integer({ description: 'Sockets of this node that the message was handed to; those of other nodes are not counted' }),
  position: Nullable(StreamPosition, { description: 'Where the message is in its stream; null: it is not kept' }),
  ...acknowledged,
  complete: Type.Optional(Type.Boolean({ description: 'false: other nodes may not get it, while Redis is out of reach; with ack also where a node has not said who of its sockets did' }))
})
export type DeliveryReport = Static<typeof DeliveryReport>

/** Result of a send to one socket. */
export const ClientDeliveryReport = Type.Object({
  recipients: Type.Integer({ description: '1 where the socket was found, on whichever node; else 0' }),
  ...acknowledged,
  complete: Type.Optional(Type.Boolean({ description: 'false: it was not found, and a node has not said whether it is there' }))
})
export type ClientDeliveryReport = Static<typeof ClientDeliveryReport>
