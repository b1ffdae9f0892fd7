import { Type, type Static, type TProperties } from '@sinclair/typebox'
import {
  CallbackId, ChannelName, ClientId, FrameId, Nullable, StreamPosition, TaskId, Timestamp, UserId
} from '../fields.js'
import { AnsweredBy, AvailabilityReason, ConfirmationOutcome, PresenceList, TaskLogLine, TaskRecord, TaskStepResultFrame } from '../records.js'

const frame = <T extends string, P extends TProperties>(type: T, properties: P, description: string) =>
  Type.Object({ type: Type.Literal(type), ...properties }, { description })

const { epoch, offset } = StreamPosition.properties

/** A place in the stream of a topic. */
const positionFields = { topic: Type.String({ description: 'all, user:<user_id>, role:<role>, channel:<name> or task:<task_id>' }), epoch, offset }

/** Field `stream` of a publication with history. */
export const StreamField = Type.Object(positionFields, { description: 'Place of a publication in its stream' })
export type StreamField = Static<typeof StreamField>

/** Added to frames that are published to a user's topic, where they have a history. */
const published = { stream: Type.Optional(StreamField) }

/** Data about a connection. */
export const ConnectionData = Type.Object({
  client_id: ClientId,
  user_id: Nullable(UserId),
  channel_id: Nullable(ChannelName, { description: 'The channel of ?channel_id=' }),
  channels: Type.Array(ChannelName),
  expires_at: Nullable(Timestamp, { description: 'Expiry of the token' }),
  protocol: Nullable(Type.String(), { description: 'The subprotocol that was selected' }),
  streams: Type.Array(Type.Object({
    ...positionFields,
    recovered: Type.Boolean({ description: 'Whether everything after the client\'s position follows' }),
    missed: Type.Integer({ minimum: 0, description: 'Messages of the history that follow' })
  }))
})
export type ConnectionData = Static<typeof ConnectionData>

const { clients, users } = PresenceList.properties
const { title, status, progress, message, result, error, started_at, finished_at } = TaskRecord.properties
const task = { task_id: TaskId, user_id: UserId, ...published }

/** All protocol frames that the server sends. The app's own messages are sent unchanged; they, like published frames, can have a field `stream`. */
export const serverFrames = {
  connection: frame('connection', { data: ConnectionData }, 'Who and where the client is: first after the upgrade, and after each change'),
  pong: frame('pong', {
    timestamp: Nullable(Type.Union([Type.Number(), Type.String()]), { description: 'The ping\'s own' }),
    server_time: Timestamp
  }, 'Answer to ping'),
  reply: frame('reply', {
    id: Type.Optional(FrameId),
    data: Type.Unknown({ description: 'The result; null where there is none' })
  }, 'The result of a frame with an id'),
  error: frame('error', {
    code: Type.String({ description: 'One of the protocol\'s codes; with app: the app\'s own' }),
    id: Type.Optional(Type.Union([Type.String(), Type.Number()], { description: 'That of the frame, also one that is too long' })),
    message: Type.String({ description: 'For people' }),
    details: Type.Optional(Type.Unknown()),
    app: Type.Optional(Type.Literal(true, { description: 'The code is the app\'s own' }))
  }, 'A frame was refused or failed'),
  subscribed: frame('subscribed', {
    channel: Nullable(ChannelName, { description: 'null for a stream that is not a channel\'s' }),
    topic: positionFields.topic,
    epoch: Nullable(epoch, { description: 'null: the channel is not kept' }),
    offset: Nullable(offset),
    recovered: Type.Boolean({ description: 'Whether everything after the client\'s position follows' }),
    missed: Type.Integer({ minimum: 0, description: 'Messages of the history that follow' })
  }, 'The client is a member of a channel, from this position on'),
  unsubscribed: frame('unsubscribed', {
    channel: ChannelName,
    reason: Type.Union([Type.Literal('unsubscribed'), Type.Literal('forbidden')], { description: 'forbidden: the app no longer allows it' })
  }, 'The client is no longer a member of a channel'),
  subscription_confirmed: frame('subscription_confirmed', {
    channel_ids: Type.Array(ChannelName),
    user_id: Nullable(UserId)
  }, 'All of a subscribe frame is done'),
  task_step_result: Type.Object({ ...TaskStepResultFrame.properties, ...published }, { description: 'A question to the user' }),
  confirmation_closed: frame('confirmation_closed', {
    callback_id: CallbackId,
    task_id: TaskId,
    outcome: ConfirmationOutcome,
    proceed: Nullable(Type.Boolean()),
    answered_by: Nullable(AnsweredBy),
    ...published
  }, 'A question has ended'),
  task_progress: frame('task_progress', { title, status, progress, message, started_at, ...task }, 'A task has begun or moved on'),
  task_log: frame('task_log', { ...TaskLogLine.properties, ...task }, 'A task wrote a line'),
  task_done: frame('task_done', { status, result, error, finished_at, ...task }, 'A task is done or has failed'),
  task_cancelled: frame('task_cancelled', { cancelled_by: Nullable(AnsweredBy), timestamp: Timestamp, ...task }, 'A task was cancelled'),
  heartbeat: frame('heartbeat', { task_id: TaskId, user_id: UserId, timestamp: Timestamp }, 'A task is still running'),
  dropped: frame('dropped', { count: Type.Integer({ minimum: 1 }) }, 'Messages were left out, since the client did not read'),
  gap: frame('gap', positionFields, 'Messages of a stream may be missing here; it goes on from this place'),
  availability: frame('availability', {
    available: Type.Boolean({ description: 'false: nothing of what the nodes share works' }),
    degraded: Type.Boolean({ description: 'true: only a part of it works' }),
    reasons: Type.Array(AvailabilityReason)
  }, 'What the nodes share is out of reach, or back'),
  token_expiring: frame('token_expiring', { expires_at: Timestamp }, 'The token expires soon: an auth frame with a new one keeps the socket'),
  presence: frame('presence', { channel: ChannelName, clients, users }, 'Who is in a channel that the client has joined'),
  joined: frame('joined', { channel: ChannelName, user_id: UserId }, 'A user came into a channel with a first socket'),
  left: frame('left', { channel: ChannelName, user_id: UserId }, 'A user left a channel with the last socket'),
  reconnect: frame('reconnect', { after_ms: Type.Integer({ minimum: 0 }) }, 'The node closes: connect again after so many milliseconds')
}

export type ServerFrameType = keyof typeof serverFrames
export type ServerFrameOf<T extends ServerFrameType> = Static<typeof serverFrames[T]>
/** A protocol frame that the server sends. */
export type ServerFrame = { [T in ServerFrameType]: ServerFrameOf<T> }[ServerFrameType]
