import { Type, type Static, type TProperties } from '@sinclair/typebox'
import { ConfirmationAnswer } from '../records.js'
import { CallbackId, ChannelName, ClientId, FrameId, IdempotencyKey, MessageType, RecoverFrom, TaskId, UserId } from '../fields.js'

const frame = <P extends TProperties>(type: string, properties: P, description: string) => Type.Object({
  type: Type.Optional(Type.Literal(type)),
  id: Type.Optional(FrameId),
  ...properties
}, { additionalProperties: false, description })

/** Its length is bounded by that of its frame. On an upgrade it must fit into the request headers, 16 KiB by Node's default. */
const Token = Type.Optional(Type.String({ description: 'JWT, with or without the prefix "Bearer "; omitted: become anonymous' }))
const Channels = Type.Array(ChannelName, { minItems: 1, maxItems: 100 })
const Data = Type.Object({}, { additionalProperties: true, description: 'Message for the receivers' })
const Echo = Type.Optional(Type.Boolean({ description: 'false: do not send the message back to this socket' }))

/** Frames that a client may send, besides the app's own messages. */
export const clientFrames = {
  ping: frame('ping', { timestamp: Type.Optional(Type.Union([Type.Number(), Type.String({ maxLength: 64 })])) }, 'Asks for a pong'),
  connection: frame('connection', {}, 'Asks for the connection frame again'),
  auth: frame('auth', { token: Token }, 'Refreshes or switches the identity of the socket'),
  change_user: frame('change_user', { token: Token }, 'The same as auth'),
  subscribe: frame('subscribe', {
    channel_ids: Type.Optional(Channels),
    user_id: Type.Optional(UserId),
    recover: Type.Optional(Type.Record(Type.String(), RecoverFrom, { additionalProperties: false, description: 'Positions to resume from, by channel name or by topic: `all`, and the `user:` and `role:` streams of this user' }))
  }, 'Joins channels, and resumes streams'),
  unsubscribe: frame('unsubscribe', { channel_ids: Channels }, 'Leaves channels'),
  ack: frame('ack', { message_id: Type.String({ minLength: 1, maxLength: 64 }) }, 'Acknowledges a message with requires_ack'),
  confirm: frame('confirm', { callback_id: CallbackId, ...ConfirmationAnswer.properties }, 'Answers a question'),
  cancel: frame('cancel', { task_id: TaskId, user_id: Type.Optional(UserId) }, 'Cancels a task'),
  walker: frame('walker', {
    walker: MessageType,
    context: Type.Optional(Type.Object({}, { additionalProperties: true })),
    response: Type.Optional(Type.Boolean({ description: 'true: send a reply even if the frame has no id' })),
    idempotency_key: Type.Optional(IdempotencyKey)
  }, 'Calls a handler of the app by name'),
  user: frame('user', {
    user_ids: Type.Optional(Type.Array(UserId, { minItems: 1, maxItems: 100 })),
    root_ids: Type.Optional(Type.Array(UserId, { minItems: 1, maxItems: 100, description: 'Alias of user_ids' })),
    data: Data,
    echo: Echo
  }, 'Sends a message to users; the app decides whether that is allowed'),
  channel: frame('channel', { channel_ids: Channels, data: Data, echo: Echo }, 'Sends a message to the members of channels; the app decides whether that is allowed'),
  client: frame('client', { client_ids: Type.Array(ClientId, { minItems: 1, maxItems: 100 }), data: Data }, 'Sends a message to single sockets; the app decides whether that is allowed')
}

/** Type of a frame that a client may send. */
export type ClientFrameType = keyof typeof clientFrames
/** A frame that a client may send: of one type, or of any. */
export type ClientFrame<T extends ClientFrameType = ClientFrameType> = Static<typeof clientFrames[T]>

/** JSON value of `?recover=` in the socket's URL: the client's positions, by the topic that `stream` named. */
export const RecoverQuery = Type.Record(Type.String(), RecoverFrom, { additionalProperties: false })
