import { Type, type Static } from '@sinclair/typebox'
import { APP_NAME, CallbackId, ClientId, Feedback, Nullable, StreamPosition, TaskId, Timestamp, UserId } from './fields.js'

/**
 * Outcome of a question. `confirmed` and `declined`: a person answered; `expired`: no answer in time; `cancelled`: by the app, the
 * user's `cancel` frame or a `DELETE`; `aborted`: the asking code's signal fired; `closed`: the only server closed; if other
 * nodes keep running, the question stays open.
 */
export const ConfirmationOutcome = Type.Union([
  Type.Literal('confirmed'), Type.Literal('declined'), Type.Literal('expired'),
  Type.Literal('cancelled'), Type.Literal('aborted'), Type.Literal('closed')
])
export type ConfirmationOutcome = Static<typeof ConfirmationOutcome>

/** User and socket of an answer; `client_id: null` for REST. */
export const AnsweredBy = Type.Object({ user_id: UserId, client_id: Nullable(ClientId, { description: 'Socket that answered; null: answered by REST' }) })
export type AnsweredBy = Static<typeof AnsweredBy>

/** A person's answer, by socket or by REST. */
export const ConfirmationAnswer = Type.Object({
  proceed: Type.Boolean({ description: 'true: go on; false: stop' }),
  feedback: Type.Optional(Feedback),
  answer: Type.Optional(Type.Unknown({ description: 'Answer that matches the answer_schema of the question' }))
}, { additionalProperties: false })
export type ConfirmationAnswer = Static<typeof ConfirmationAnswer>

/** The app's report on one step of a task, as shown in a question. */
export const TaskStepResult = Type.Object({
  step: Type.Union([Type.String(), Type.Number()], { description: 'Name or number of the step' }),
  message: Type.String({ description: 'Text shown to the user' }),
  result: Type.Optional(Type.Unknown({ description: 'Output of the step, any JSON' })),
  completed: Type.Optional(Type.Boolean({ description: 'true: the step is complete' })),
  status: Type.Optional(Type.String({ description: 'Status of the step, for example completed or failed' })),
  error_code: Type.Optional(Nullable(Type.String(), { description: 'Code of the error that ended the step' })),
  error_message: Type.Optional(Nullable(Type.String(), { description: 'Text of the error that ended the step' }))
})
export type TaskStepResult = Static<typeof TaskStepResult>

const Uncertain = Type.Literal(true, {
  description: 'Redis lost writes after the question was asked; an earlier answer may be among them'
})

const QuestionTask = Nullable(TaskId, { description: 'Task that the question is about; null: none' })
/** Kind of a question of `ws.confirmations.ask()`, namespaced like a message's type. */
export const QuestionKind = Type.String({ minLength: 1, maxLength: 128, pattern: APP_NAME, description: 'Kind of the question' })

/** The question as sent over the wire (row A5). */
export const TaskStepResultFrame = Type.Object({
  type: Type.Literal('task_step_result'),
  callback_id: CallbackId,
  step: Type.Union([Type.String(), Type.Number()]),
  message: Type.String(),
  result: Type.Unknown(),
  completed: Type.Boolean(),
  status: Nullable(Type.String()),
  error_code: Nullable(Type.String()),
  error_message: Nullable(Type.String()),
  user_id: UserId,
  task_id: QuestionTask,
  kind: Type.Optional(QuestionKind),
  data: Type.Optional(Type.Unknown({ description: 'Facts shown beside the message, as the kind describes them' })),
  timestamp: Timestamp,
  expires_at: Timestamp,
  on_timeout: Type.Union([Type.Literal('proceed'), Type.Literal('cancel')]),
  answer_schema: Type.Optional(Type.Unknown({ description: 'JSON Schema of the expected answer' })),
  uncertain: Type.Optional(Uncertain)
})
export type TaskStepResultFrame = Static<typeof TaskStepResultFrame>

/** A stored question: the frame that was sent, and how it ended. */
export const ConfirmationRecord = Type.Object({
  callback_id: CallbackId,
  user_id: UserId,
  task_id: QuestionTask,
  status: Type.Union([Type.Literal('pending'), ...ConfirmationOutcome.anyOf]),
  question: TaskStepResultFrame,
  created_at: Timestamp,
  expires_at: Timestamp,
  settled_at: Nullable(Timestamp),
  proceed: Nullable(Type.Boolean({ description: 'null while pending' })),
  feedback: Type.Optional(Feedback),
  answer: Type.Optional(Type.Unknown()),
  answered_by: Nullable(AnsweredBy),
  uncertain: Type.Optional(Uncertain)
})
export type ConfirmationRecord = Static<typeof ConfirmationRecord>

export const TaskLogLine = Type.Object({
  level: Type.Union([Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')]),
  line: Type.String(),
  timestamp: Timestamp
})
export type TaskLogLine = Static<typeof TaskLogLine>

export const TaskStatus = Type.Union([
  Type.Literal('running'), Type.Literal('done'), Type.Literal('failed'), Type.Literal('cancelled')
])
export type TaskStatus = Static<typeof TaskStatus>

/** A task that the app started with `ws.tasks.start()`. */
export const TaskRecord = Type.Object({
  task_id: TaskId,
  user_id: UserId,
  title: Nullable(Type.String()),
  status: TaskStatus,
  progress: Type.Number({ minimum: 0, maximum: 100, description: 'Progress in percent' }),
  message: Nullable(Type.String({ description: 'Latest progress message' })),
  logs: Type.Array(TaskLogLine, { description: 'Latest 200 lines' }),
  result: Type.Unknown(),
  error: Nullable(Type.String()),
  started_at: Timestamp,
  finished_at: Nullable(Timestamp)
})
export type TaskRecord = Static<typeof TaskRecord>

/** One open socket, as shown by REST. */
export const ClientRecord = Type.Object({
  client_id: ClientId,
  user_id: Nullable(UserId),
  channels: Type.Array(Type.String()),
  ip: Type.String(),
  protocol: Nullable(Type.String()),
  connected_at: Timestamp,
  rtt_ms: Nullable(Type.Number({ description: 'Latest ping round trip, milliseconds; null before the first pong' }))
})
export type ClientRecord = Static<typeof ClientRecord>

/** Users and sockets in a channel; `user_id: null` for anonymous ones. */
export const PresenceList = Type.Object({
  clients: Type.Integer({ description: 'Number of sockets' }),
  users: Type.Array(Type.Object({ user_id: Nullable(UserId), client_ids: Type.Array(ClientId) }))
})
export type PresenceList = Static<typeof PresenceList>

/** The messages that a stream still keeps. */
export const StreamHistory = Type.Object({
  messages: Type.Array(Type.Object({ type: Type.String() }, { additionalProperties: true, description: 'Message as sent, with its field stream' })),
  position: StreamPosition,
  complete: Type.Boolean({ description: 'true: no message after the requested position is missing, or the whole history follows if no position was given; false also if the stream keeps no history' })
})
export type StreamHistory = Static<typeof StreamHistory>

/** A channel with members on this node. */
export const ChannelSummary = Type.Object({
  channel: Type.String(),
  clients: Type.Integer({ description: 'Number of members on this node' })
})

const refused = (description: string) => Type.Integer({ description })

/** Number of refusals per limit since the node started. */
export const Rejected = Type.Object({
  connections: refused('Sockets over limits.maxConnections'),
  connections_per_user: refused('Sockets over limits.maxConnectionsPerUser'),
  connections_per_ip: refused('Upgrade requests over limits.connectionsPerIpPerMinute'),
  duplicate_user: refused('Sockets refused or replaced by onDuplicateUser'),
  unauthenticated: refused('Sockets over limits.maxUnauthenticated'),
  unauthenticated_per_ip: refused('Sockets over limits.maxUnauthenticatedPerIp'),
  anonymous: refused('Sockets over limits.maxAnonymous'),
  anonymous_per_ip: refused('Sockets over limits.maxAnonymousPerIp'),
  closing: refused('Closing sockets destroyed over limits.maxClosing'),
  auth_timeouts: refused('Sockets closed because no auth frame arrived within auth.timeoutMs'),
  origin: refused('Requests refused by the origin check'),
  messages: refused('Frames over limits.messagesPerSecond, including pings and REST calls'),
  type_messages: refused('Messages over a limit per type: limits.types, or limits of the handler'),
  bytes: refused('Frames over limits.bytesPerSecond, including REST calls'),
  joins: refused('Subscriptions over limits.joinsPerSecond'),
  pending_bytes: refused('Pauses of sockets over limits.maxPendingBytes'),
  pending_requests: refused('REST requests over limits.maxPendingRequests'),
  history_per_sender: refused('Messages evicted or refused over history.maxBytesPerSender or history.maxTopicsPerSender'),
  errors: refused('Sockets closed by limits.maxErrorsPerMinute'),
  rate_limited: refused('Sockets closed by limits.maxRateLimitedPerMinute'),
  payload: refused('Frames over limits.maxPayloadBytes'),
  fragments: refused('Frames over limits.maxFragments'),
  depth: refused('Frames and REST bodies over limits.maxDepth'),
  channels: refused('Subscriptions over limits.maxChannelsPerConnection'),
  roles: refused('Sockets and auth frames over limits.maxRolesPerUser'),
  pending_handlers: refused('Frames over limits.maxPendingHandlers'),
  confirmations: refused('Questions over limits.maxPendingConfirmationsPerUser'),
  tickets: refused('Tickets refused because the user, the node or all nodes had too many'),
  remembered_calls: refused('Calls with an idempotency key over limits.maxRememberedBytesPerUser or limits.maxRememberedBytes'),
  revocations: refused('Revocations over limits.maxRevocations')
})
export type Rejected = Static<typeof Rejected>

/** Status of this node, as in `ws.getStatus()` and `GET /ws/status` (row A1). */
export const NodeStatus = Type.Object({
  running: Type.Boolean(),
  host: Nullable(Type.String()),
  port: Nullable(Type.Integer()),
  active_connections: Type.Integer(),
  pending_callbacks: Type.Integer(),
  node_id: Type.String(),
  uptime_s: Type.Number(),
  clock_offset_ms: Type.Integer({ description: 'Offset of this node\'s clock from the shared clock of Redis, milliseconds; negative: behind' }),
  users: Type.Integer({ description: 'Users with at least one open socket' }),
  channels: Type.Integer({ description: 'Channels with at least one member' }),
  slow_disconnects: Type.Integer({ description: 'Sockets disconnected because they did not read' }),
  messages_dropped: Type.Integer({ description: 'Messages dropped for sockets that did not read' }),
  rejected: Rejected,
  version: Type.String()
})
export type NodeStatus = Static<typeof NodeStatus>

/** Completeness of a request to all nodes. */
export const Completeness = Type.Object({
  complete: Type.Boolean({ description: 'true: every node answered' }),
  missing: Nullable(Type.Array(Type.String()), { description: 'Ids of the nodes that did not answer; null: the list of nodes is unknown' })
})

/** Status of all nodes: totals and each node. */
export const ClusterStatus = Type.Object({
  ...Completeness.properties,
  active_connections: Type.Integer(),
  pending_callbacks: Type.Integer(),
  nodes: Type.Array(NodeStatus)
})
export type ClusterStatus = Static<typeof ClusterStatus>

/**
 * Reasons for not being ready: the shared store is unreachable; it denies this node a permission; it refuses writes; a part of a
 * Redis Cluster is unreachable; messages arrive late because subscriptions have not followed their slots yet.
 */
export const AvailabilityReason = Type.Union([
  Type.Literal('unreachable'), Type.Literal('access_denied'), Type.Literal('writes_refused'),
  Type.Literal('shard_unreachable'), Type.Literal('subscriptions_behind')
])
export type AvailabilityReason = Static<typeof AvailabilityReason>

/** Readiness of a node. */
export const NodeReadiness = Type.Object({
  status: Type.Union([Type.Literal('ready'), Type.Literal('degraded'), Type.Literal('unavailable'), Type.Literal('closing')], {
    description: 'degraded: some shared services work; unavailable: none do'
  }),
  reasons: Type.Array(AvailabilityReason, { description: 'Reasons for degraded or unavailable' }),
  clock_offset_ms: Type.Optional(Type.Integer({ description: 'Offset of this node\'s clock, milliseconds, as in the status; present only beyond one second' }))
})
export type NodeReadiness = Static<typeof NodeReadiness>

/** Health of a node: it accepts sockets, or closes (row A17). */
export const NodeHealth = Type.Object({
  status: Type.Union([Type.Literal('healthy'), Type.Literal('closing')]),
  uptime_s: Type.Number()
})
export type NodeHealth = Static<typeof NodeHealth>
