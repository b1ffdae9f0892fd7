import { Type, type Static, type TProperties } from '@sinclair/typebox'
import {
  CallbackId, ChannelName, ClientId, FrameId, Nullable, StreamPosition, TaskId, Timestamp, UserId
} from '../fields.js'
import { AnsweredBy, AvailabilityReason, ConfirmationOutcome, PresenceList, TaskLogLine, TaskRecord, TaskStepResultFrame } from '../records.js'

const frame = <T extends string, P extends TProperties>(type: T, properties: P, description: string) =>
  Type.Object({ type: Type.Literal(type), ...properties }, { description })

const { epoch, offset } = StreamPosition.properties

/** A place in the stream of a topic. */
const positionFields = { topic: Type.String({ description: 'Topic of the stream: all, user:<user_id>, role:<role>, channel:<name> or task:<task_id>' }), epoch, offset }

/** Field `stream` of a publication; without history it is the topic alone. */
export const StreamField = Type.Object({ topic: positionFields.topic, epoch: Type.Optional(epoch), offset: Type.Optional(offset) }, { description: 'Stream of a publication, and its position there; a publication without history has none' })
export type StreamField = Static<typeof StreamField>

/** Added to frames that are published to a user's topic, where they have a history. */
const published = { stream: Type.Optional(StreamField) }

/** Data about a connection. */
export const ConnectionData = Type.Object({
  client_id: ClientId,
  user_id: Nullable(UserId),
  channel_id: Nullable(ChannelName, { description: 'Channel named by ?channel_id=' }),
  channels: Type.Array(ChannelName),
  expires_at: Nullable(Timestamp, { description: 'Expiry of the token; null: never' }),
  protocol: Nullable(Type.String(), { description: 'Selected subprotocol' }),
  streams: Type.Array(Type.Object({
    ...positionFields,
    recovered: Type.Boolean({ description: 'true: every message after the client\'s position follows' }),
    missed: Type.Integer({ minimum: 0, description: 'Number of recovered messages that follow' })
  }))
})
export type ConnectionData = Static<typeof ConnectionData>

const { clients, users } = PresenceList.properties
const { title, status, progress, message, result, error, started_at, finished_at } = TaskRecord.properties
const task = { task_id: TaskId, user_id: UserId, ...published }

/** All protocol frames that the server sends. The app's own messages are sent unchanged; they, like published frames, can have a field `stream`. */
export const serverFrames = {
  connection: frame('connection', { data: ConnectionData }, 'Identity and streams of the connection: the first frame, sent again after each change of identity and on request'),
  pong: frame('pong', {
    timestamp: Nullable(Type.Union([Type.Number(), Type.String()]), { description: 'Timestamp of the ping' }),
    server_time: Timestamp
  }, 'Answer to ping'),
  reply: frame('reply', {
    id: Type.Optional(FrameId),
    data: Type.Unknown({ description: 'Result of the frame; null: none' })
  }, 'Result of a frame with an id, or of a walker frame with response: true'),
  error: frame('error', {
    code: Type.String({ description: 'Error code of the protocol; with app: true, code of the app' }),
    id: Type.Optional(Type.Union([Type.String(), Type.Number()], { description: 'Id of the refused frame, even if it is too long' })),
    message: Type.String({ description: 'Text for humans; match code instead' }),
    details: Type.Optional(Type.Unknown()),
    app: Type.Optional(Type.Literal(true, { description: 'true: the code was defined by the app' }))
  }, 'A frame was refused or failed'),
  subscribed: frame('subscribed', {
    channel: Nullable(ChannelName, { description: 'Name of the channel; null: the stream belongs to no channel' }),
    topic: positionFields.topic,
    epoch: Nullable(epoch, { description: 'null: the channel keeps no history' }),
    offset: Nullable(offset),
    recovered: Type.Boolean({ description: 'true: every message after the client\'s position follows' }),
    missed: Type.Integer({ minimum: 0, description: 'Number of recovered messages that follow' })
  }, 'The client joined a channel at this position, or resumed a stream'),
  unsubscribed: frame('unsubscribed', {
    channel: ChannelName,
    reason: Type.Union([Type.Literal('unsubscribed'), Type.Literal('forbidden')], { description: 'forbidden: the app no longer allows the membership' })
  }, 'The client is no longer a member of a channel'),
  subscription_confirmed: frame('subscription_confirmed', {
    channel_ids: Type.Array(ChannelName),
    user_id: Nullable(UserId)
  }, 'A subscribe frame is complete'),
  task_step_result: Type.Object({ ...TaskStepResultFrame.properties, ...published }, { description: 'A question to the user' }),
  confirmation_closed: frame('confirmation_closed', {
    callback_id: CallbackId,
    task_id: Nullable(TaskId),
    outcome: ConfirmationOutcome,
    proceed: Nullable(Type.Boolean()),
    answered_by: Nullable(AnsweredBy),
    ...published
  }, 'A question has ended'),
  task_progress: frame('task_progress', { title, status, progress, message, started_at, ...task }, 'A task started or made progress'),
  task_log: frame('task_log', { ...TaskLogLine.properties, ...task }, 'A task wrote a log line'),
  task_done: frame('task_done', { status, result, error, finished_at, ...task }, 'A task is done or failed'),
  task_cancelled: frame('task_cancelled', { cancelled_by: Nullable(AnsweredBy), timestamp: Timestamp, ...task }, 'A task was cancelled'),
  heartbeat: frame('heartbeat', { task_id: TaskId, user_id: UserId, timestamp: Timestamp, ...published }, 'A task is still running'),
  dropped: frame('dropped', { count: Type.Integer({ minimum: 1 }) }, 'Messages were dropped here because the client did not read'),
  gap: frame('gap', positionFields, 'Messages of a stream may be missing here; it continues after this position'),
  availability: frame('availability', {
    available: Type.Boolean({ description: 'false: no shared service works' }),
    degraded: Type.Boolean({ description: 'true: only some shared services work' }),
    reasons: Type.Array(AvailabilityReason)
  }, 'Availability of shared services changed'),
  token_expiring: frame('token_expiring', { expires_at: Timestamp }, 'The token expires soon; an auth frame with a new token keeps the socket open'),
  presence: frame('presence', { channel: ChannelName, clients, users }, 'Members of a channel that the client joined'),
  joined: frame('joined', { channel: ChannelName, user_id: UserId }, 'A user joined a channel with a first socket'),
  left: frame('left', { channel: ChannelName, user_id: UserId }, 'The last socket of a user left a channel'),
  reconnect: frame('reconnect', { after_ms: Type.Integer({ minimum: 0 }) }, 'The node is closing; reconnect after after_ms milliseconds')
}

export type ServerFrameType = keyof typeof serverFrames
export type ServerFrameOf<T extends ServerFrameType> = Static<typeof serverFrames[T]>
/** A protocol frame that the server sends. */
export type ServerFrame = { [T in ServerFrameType]: ServerFrameOf<T> }[ServerFrameType]
