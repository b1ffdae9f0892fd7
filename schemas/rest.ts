import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { CallbackId, ChannelName, ClientId, Jti, Moment, Nullable, RoleName, TaskId, Timestamp, UserId } from './fields.js'
import { Message, SendOptions } from './messages.js'
import { ChannelSummary, ClientRecord, Completeness, ConfirmationRecord, ConfirmationOutcome, PresenceList, StreamHistory, TaskRecord } from './records.js'

/**
 * Every REST error of the plugin has this shape, with all fields except perhaps `details`. None is required here, since the app's
 * own hooks may answer the same status in a shape of their own.
 */
export const ErrorBody = Type.Object({
  statusCode: Type.Optional(Type.Integer()),
  code: Type.Optional(Type.String({ description: 'WSM_ERR_… code of the plugin; with app: true, code of the app' })),
  error: Type.Optional(Type.String({ description: 'Name of the HTTP status' })),
  message: Type.Optional(Type.String()),
  details: Type.Optional(Type.Unknown()),
  app: Type.Optional(Type.Literal(true, { description: 'true: the code was defined by the app' }))
}, { additionalProperties: true })

/** Parameters in the URL of a socket. */
export const SocketQuery = Type.Object({
  channel_id: Type.Optional(ChannelName),
  recover: Type.Optional(Type.String({ description: 'Positions of the client in its streams, JSON: {topic: {epoch, offset}}' })),
  ticket: Type.Optional(Type.String({ maxLength: 64, description: 'From POST tickets, in place of a token' }))
}, { additionalProperties: true })

export const SendBody = Type.Object({
  message: Message,
  options: Type.Optional(SendOptions)
}, { additionalProperties: false })

export const UserParams = Type.Object({ user_id: UserId })
export const RoleParams = Type.Object({ role: RoleName })
export const ChannelParams = Type.Object({ channel: ChannelName })
export const ClientParams = Type.Object({ client_id: ClientId })
export const ConfirmationParams = Type.Object({ callback_id: CallbackId })
export const TaskParams = Type.Object({ task_id: TaskId })

const Limit = Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Maximum number of entries per page' })
/** A timestamp and an id. */
const Cursor = Type.String({ maxLength: 81, pattern: '^\\d{1,16}:[\\w-]{1,64}$', description: 'Value of next from the previous page' })
const Next = Nullable(Type.String(), { description: 'Cursor of the next page, to pass as after; null: last page' })

export const ClientsQuery = Type.Object({
  user_id: Type.Optional(UserId),
  limit: Limit,
  after: Type.Optional(Cursor)
}, { additionalProperties: false })
export type ClientsQuery = Static<typeof ClientsQuery>

export const ClientsPage = Type.Object({
  total: Type.Integer({ description: 'Number of matching open sockets' }),
  clients: Type.Array(ClientRecord),
  next: Next,
  ...Completeness.properties
})
export type ClientsPage = Static<typeof ClientsPage>

export const ChannelsQuery = Type.Object({
  limit: Limit,
  after: Type.Optional(Type.String({ maxLength: 200, description: 'Value of next from the previous page' }))
}, { additionalProperties: false })

export const ChannelQuery = Type.Object({
  limit: Type.Integer({ ...Limit, description: 'Maximum number of sockets per page' }),
  after: Type.Optional(Type.String({ maxLength: 321, pattern: '^[\\w-]{1,64}:', description: 'Value of next from the previous page' }))
}, { additionalProperties: false })
export type ChannelQuery = Static<typeof ChannelQuery>

/** One channel, with or without members, and a page of its members. */
export const ChannelPage = Type.Object({
  ...ChannelSummary.properties,
  presence: Nullable(PresenceList, { description: 'Members on all nodes, grouped by user; null if no rule in the option channels enables presence. clients counts the sockets of all pages' }),
  next: Next
})
export type ChannelPage = Static<typeof ChannelPage>

export const ChannelsPage = Type.Object({ channels: Type.Array(ChannelSummary), next: Next })

export const HistoryQuery = Type.Object({
  topic: Type.String({ maxLength: 264, description: 'Topic of the stream: all, user:<user_id>, role:<role>, channel:<channel> or task:<task_id>' }),
  limit: Limit,
  after: Type.Optional(Type.String({ ...Cursor, description: 'Value of next from the previous page, or a position: <offset>:<epoch>' }))
}, { additionalProperties: false })
export type HistoryQuery = Static<typeof HistoryQuery>

export const StreamHistoryPage = Type.Object({
  ...StreamHistory.properties,
  next: Next
})
export type StreamHistoryPage = Static<typeof StreamHistoryPage>

export const DisconnectQuery = Type.Object({
  reason: Type.Optional(Type.String({ maxLength: 123, description: 'Close reason sent to the client' }))
}, { additionalProperties: false })

export const ConfirmationsQuery = Type.Object({
  user_id: Type.Optional(Type.String({ description: 'Id of the user. Default: the caller' })),
  task_id: Type.Optional(TaskId),
  status: Type.Optional(Type.Union([Type.Literal('pending'), ...ConfirmationOutcome.anyOf], { description: 'Filter: pending, or an outcome' })),
  limit: Limit,
  after: Type.Optional(Cursor)
}, { additionalProperties: false })

export const ConfirmationsPage = Type.Object({
  confirmations: Type.Array(ConfirmationRecord, { description: 'May be shorter than limit even if more pages follow' }),
  next: Next
})
export type ConfirmationsPage = Static<typeof ConfirmationsPage>

export const TasksQuery = Type.Object({
  user_id: Type.Optional(Type.String({ description: 'Id of the user. Default: the caller' })),
  limit: Limit,
  after: Type.Optional(Type.String({ maxLength: 273, pattern: '^\\d{1,16}:', description: 'Value of next from the previous page' }))
}, { additionalProperties: false })
export type TasksQuery = Static<typeof TasksQuery>

/** A page of one user's tasks on one node. */
export const TasksHere = Type.Object({ tasks: Type.Array(TaskRecord), next: Next })
export type TasksHere = Static<typeof TasksHere>

export const TasksPage = Type.Object({ ...TasksHere.properties, ...Completeness.properties })
export type TasksPage = Static<typeof TasksPage>

export const WaitQuery = Type.Object({
  wait: Type.Number({ minimum: 0, maximum: 60, default: 0, description: 'Maximum time to wait for the outcome, seconds' })
}, { additionalProperties: false })

export const CancelQuery = Type.Object({
  reason: Type.Optional(Type.String({ maxLength: 500, description: 'Feedback returned to the code that asked' }))
}, { additionalProperties: false })

/** Opens one socket, once. */
export const Ticket = Type.Object({
  ticket: Type.String({ description: 'Single-use ticket: 128 random bits' }),
  expires_at: Timestamp
})
export type Ticket = Static<typeof Ticket>

/** Selects one token by its `jti`, or a user's tokens by their issue time. */
export const RevocationBody = Type.Object({
  jti: Type.Optional(Jti),
  expires_at: Type.Optional(Type.Integer({ ...Moment, description: 'With jti: expiry of the token, milliseconds since 1970. Default: retain for auth.revocationTtlMs' })),
  user_id: Type.Optional(UserId),
  issued_before: Type.Optional(Type.Integer({ ...Moment, description: 'With user_id: revoke tokens issued before this, milliseconds since 1970. Default: now' }))
}, { additionalProperties: false, description: 'Either jti or user_id' })

export const RevocationReport = Type.Object({
  closed: Type.Integer({ description: 'Number of sockets closed' }),
  ...Completeness.properties
})
export type RevocationReport = Static<typeof RevocationReport>

/** Reply of a handler. */
export const callReply = <T extends TSchema>(reply: T) => Type.Object({ data: reply })

export const StatusQuery = Type.Object({
  cluster: Type.Boolean({ default: false, description: 'true: report all nodes instead of only this one' })
}, { additionalProperties: false })
