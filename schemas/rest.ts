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
  code: Type.Optional(Type.String({ description: 'WSM_ERR_…, or with app the app\'s own' })),
  error: Type.Optional(Type.String({ description: 'The name of the status' })),
  message: Type.Optional(Type.String()),
  details: Type.Optional(Type.Unknown()),
  app: Type.Optional(Type.Literal(true, { description: 'The code is the app\'s own' }))
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

const Limit = Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'How many at the most' })
/** A timestamp and an id. */
const Cursor = Type.String({ maxLength: 81, pattern: '^\\d{1,16}:[\\w-]{1,64}$', description: 'What the page before gave as next' })
const Next = Nullable(Type.String(), { description: 'Pass it as after for the next page; null: this is the last' })

export const ClientsQuery = Type.Object({
  user_id: Type.Optional(UserId),
  limit: Limit,
  after: Type.Optional(Cursor)
}, { additionalProperties: false })
export type ClientsQuery = Static<typeof ClientsQuery>

export const ClientsPage = Type.Object({
  total: Type.Integer({ description: 'Open sockets that match' }),
  clients: Type.Array(ClientRecord),
  next: Next,
  ...Completeness.properties
})
export type ClientsPage = Static<typeof ClientsPage>

export const ChannelsQuery = Type.Object({
  limit: Limit,
  after: Type.Optional(Type.String({ maxLength: 200, description: 'What the page before gave as next' }))
}, { additionalProperties: false })

export const ChannelQuery = Type.Object({
  limit: Type.Integer({ ...Limit, description: 'How many of the sockets at the most' }),
  after: Type.Optional(Type.String({ maxLength: 321, pattern: '^[\\w-]{1,64}:', description: 'What the page before gave as next' }))
}, { additionalProperties: false })
export type ChannelQuery = Static<typeof ChannelQuery>

/** One channel, with or without members, and a page of its members. */
export const ChannelPage = Type.Object({
  ...ChannelSummary.properties,
  presence: Nullable(PresenceList, { description: 'Who is there, on all nodes, by user; null where no rule of the option channels gives the channel presence. clients counts all of them' }),
  next: Next
})
export type ChannelPage = Static<typeof ChannelPage>

export const ChannelsPage = Type.Object({ channels: Type.Array(ChannelSummary), next: Next })

export const HistoryQuery = Type.Object({
  topic: Type.String({ maxLength: 264, description: 'all, user:<user_id>, role:<role>, channel:<channel> or task:<task_id>' }),
  limit: Limit,
  after: Type.Optional(Type.String({ ...Cursor, description: 'What the page before gave as next, or a position: <offset>:<epoch>' }))
}, { additionalProperties: false })
export type HistoryQuery = Static<typeof HistoryQuery>

export const StreamHistoryPage = Type.Object({
  ...StreamHistory.properties,
  next: Next
})
export type StreamHistoryPage = Static<typeof StreamHistoryPage>

export const DisconnectQuery = Type.Object({
  reason: Type.Optional(Type.String({ maxLength: 123, description: 'The close reason that the client sees' }))
}, { additionalProperties: false })

export const ConfirmationsQuery = Type.Object({
  user_id: Type.Optional(Type.String({ description: 'Whose; by default the caller\'s own' })),
  task_id: Type.Optional(TaskId),
  status: Type.Optional(Type.Union([Type.Literal('pending'), ...ConfirmationOutcome.anyOf], { description: 'Open, or how it ended' })),
  limit: Limit,
  after: Type.Optional(Cursor)
}, { additionalProperties: false })

export const ConfirmationsPage = Type.Object({
  confirmations: Type.Array(ConfirmationRecord, { description: 'They can be fewer than the limit also where more follow' }),
  next: Next
})
export type ConfirmationsPage = Static<typeof ConfirmationsPage>

export const TasksQuery = Type.Object({
  user_id: Type.Optional(Type.String({ description: 'Whose; by default the caller\'s own' })),
  limit: Limit,
  after: Type.Optional(Type.String({ maxLength: 273, pattern: '^\\d{1,16}:', description: 'What the page before gave as next' }))
}, { additionalProperties: false })
export type TasksQuery = Static<typeof TasksQuery>

/** A page of one user's tasks on one node. */
export const TasksHere = Type.Object({ tasks: Type.Array(TaskRecord), next: Next })
export type TasksHere = Static<typeof TasksHere>

export const TasksPage = Type.Object({ ...TasksHere.properties, ...Completeness.properties })
export type TasksPage = Static<typeof TasksPage>

export const WaitQuery = Type.Object({
  wait: Type.Number({ minimum: 0, maximum: 60, default: 0, description: 'Seconds to wait for the answer' })
}, { additionalProperties: false })

export const CancelQuery = Type.Object({
  reason: Type.Optional(Type.String({ maxLength: 500, description: 'What the asking code gets as feedback' }))
}, { additionalProperties: false })

/** Opens one socket, once. */
export const Ticket = Type.Object({
  ticket: Type.String({ description: '128 random bits' }),
  expires_at: Timestamp
})
export type Ticket = Static<typeof Ticket>

/** Selects one token by its `jti`, or a user's tokens by their issue time. */
export const RevocationBody = Type.Object({
  jti: Type.Optional(Jti),
  expires_at: Type.Optional(Type.Integer({ ...Moment, description: 'With jti: when the token expires by itself; by default it is remembered for auth.revocationTtlMs' })),
  user_id: Type.Optional(UserId),
  issued_before: Type.Optional(Type.Integer({ ...Moment, description: 'With user_id: the tokens issued before this; by default before now' }))
}, { additionalProperties: false, description: 'Either jti or user_id' })

export const RevocationReport = Type.Object({
  closed: Type.Integer({ description: 'Sockets that were open' }),
  ...Completeness.properties
})
export type RevocationReport = Static<typeof RevocationReport>

/** Reply of a handler. */
export const callReply = <T extends TSchema>(reply: T) => Type.Object({ data: reply })

export const StatusQuery = Type.Object({
  cluster: Type.Boolean({ default: false, description: 'Of all nodes, not of this one alone' })
}, { additionalProperties: false })
