import { Type, type Static } from '@sinclair/typebox'
import { ClientId, MessageType } from './fields.js'

/** What the server adds to a message; a sender can never set one of these itself. */
export const reservedFields = ['stream', 'from', 'message_id', 'requires_ack'] as const

/** Any message of the app: an object with a `type` (row F2). */
export const Message = Type.Object({ type: MessageType }, {
  additionalProperties: true,
  description: 'Any JSON object with a type; sent as it is'
})
export type Message = Static<typeof Message> & { [field: string]: unknown }

/** Choices of a single send. */
export const SendOptions = Type.Object({
  except: Type.Optional(Type.Array(ClientId, { maxItems: 1000, description: 'Sockets that do not get the message' }))
}, { additionalProperties: false })
export type SendOptions = Static<typeof SendOptions>

/** What became of a send. */
export const DeliveryReport = Type.Object({
  recipients: Type.Integer({ description: 'Sockets of this node that the message was handed to' })
})
export type DeliveryReport = Static<typeof DeliveryReport>
