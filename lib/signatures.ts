import { Type } from '@sinclair/typebox'
import { ChannelName, ClientId, MessageType, Nullable, RoleName, StreamPosition, TaskId, UserId } from '../schemas/fields.js'
import { SendOptions } from '../schemas/messages.js'
import { ConfirmationAnswer, AnsweredBy, QuestionKind, TaskLogLine } from '../schemas/records.js'
import { ConfirmationsQuery } from '../schemas/rest.js'
import { Signal } from './abort.js'
import { Target as RevocationTarget } from './sessions/revocations.js'
import { TypeLimit } from './protocol/type-limits.js'
import { eventNames } from './events.js'
import { OptionsSchema } from './options.js'
import { defineMethods, type Signature } from './validation/call.js'

const closed = { additionalProperties: false }
const Any = Type.Unknown()
const Fields = Type.Object({}, { additionalProperties: true })
const Callback = Type.Function([], Any)
const Text = Type.String()
const Cluster = Type.Optional(Type.Boolean())
const Owner = Type.Object({ userId: Type.Optional(Nullable(UserId)) }, closed)
const Duration = Type.Optional(OptionsSchema.properties.confirmations.properties.timeoutMs)
const Step = Type.Optional(Type.Union([Type.String(), Type.Number()]))
const Percent = Type.Number({ minimum: 0, maximum: 100, description: 'percent, 0 to 100' })
/** Anything can be thrown, and a task that fails by it must end: nothing of it is read here. */
const Failure = Type.Any()
const After = Type.Optional(Nullable(Type.String()))
const { user_id, task_id, status, limit } = ConfirmationsQuery.properties

const StepResult = Type.Object({
  step: Step,
  message: Text,
  completed: Type.Optional(Nullable(Type.Boolean())),
  status: Type.Optional(Nullable(Text)),
  error_code: Type.Optional(Nullable(Text)),
  error_message: Type.Optional(Nullable(Text))
}, { additionalProperties: true })

const AskOptions = Type.Object({
  userId: UserId,
  taskId: TaskId,
  step: Step,
  timeoutMs: Duration,
  onTimeout: Type.Optional(OptionsSchema.properties.confirmations.properties.onTimeout),
  answer: Type.Optional(Any),
  signal: Type.Optional(Signal)
}, closed)

const Question = Type.Object({
  kind: QuestionKind,
  to: Type.Object({ user: UserId }, closed),
  message: Text,
  data: Type.Optional(Any),
  taskId: Type.Optional(TaskId),
  step: Step,
  timeoutMs: Duration,
  onTimeout: AskOptions.properties.onTimeout,
  answer: Type.Optional(Any),
  signal: Type.Optional(Signal)
}, closed)

const HandlerOptions = Type.Object({
  // What is wrong with a schema is said with its place.
  schema: Type.Optional(Any),
  reply: Type.Optional(Any),
  rest: Type.Optional(Type.Boolean()),
  channel: Type.Optional(Type.String()),
  limits: Type.Optional(TypeLimit),
  authorize: Type.Optional(Callback)
}, closed)

const EndpointRule = Type.Object({ channels: Type.Union([Type.Array(ChannelName), Callback]), authorize: Callback }, closed)
const HeartbeatOptions = Type.Object({
  userId: UserId, taskId: TaskId, intervalMs: Type.Optional(OptionsSchema.properties.heartbeat.properties.intervalMs)
}, closed)
const ConfirmationListOptions = Type.Object({ userId: user_id, taskId: task_id, status, limit: Type.Optional(limit), after: After }, closed)
const TaskListOptions = Type.Object({ limit: Type.Optional(limit), after: After, cluster: Cluster }, closed)
const TaskStartOptions = Type.Object({ userId: UserId, taskId: Type.Optional(TaskId), title: Type.Optional(Text) }, closed)
const TaskCancelOptions = Type.Object({
  userId: Type.Optional(UserId), by: Type.Optional(AnsweredBy), mustBeKnown: Type.Optional(Type.Boolean())
}, closed)

/** Methods of `fastify.ws` that take arguments. */
export const signatures = {
  'ws.broadcast': { parameters: { message: Any, 'options?': SendOptions } },
  'ws.sendToUser': { parameters: { userId: UserId, message: Any, 'options?': SendOptions } },
  'ws.sendToRole': { parameters: { role: RoleName, message: Any, 'options?': SendOptions } },
  'ws.sendToChannel': { parameters: { channel: ChannelName, message: Any, 'options?': SendOptions } },
  'ws.sendToClient': { parameters: { clientId: ClientId, message: Any, 'options?': Type.Object({ ...SendOptions.properties, ...Owner.properties }, closed) } },
  'ws.handle': { parameters: { type: Text, options: HandlerOptions, handler: Callback }, isSync: true },
  'ws.declare': { parameters: { type: MessageType, schema: Any }, isSync: true },
  'ws.endpoint': { parameters: { url: Text, rule: EndpointRule, 'options?': Type.Object({ scope: Type.Optional(Fields) }, closed) }, isSync: true },
  'ws.on': { parameters: { event: Type.Union(eventNames.map((name) => Type.Literal(name))), listener: Callback }, isSync: true },
  'ws.notifyUser': { parameters: { result: StepResult, options: AskOptions }, subject: 'result' },
  'ws.startHeartbeat': { parameters: { options: HeartbeatOptions }, isSync: true },
  'ws.join': { parameters: { clientId: ClientId, channel: ChannelName, 'guard?': Owner } },
  'ws.leave': { parameters: { clientId: ClientId, channel: ChannelName, 'guard?': Owner } },
  'ws.presence': { parameters: { channel: ChannelName } },
  'ws.history': { parameters: { topic: Text, 'since?': Nullable(StreamPosition) } },
  'ws.position': { parameters: { topic: Text } },
  'ws.revoke': { parameters: { target: RevocationTarget } },
  'ws.disconnect': { parameters: { target: Type.Union([ClientId, Type.Object({ userId: UserId }, closed)], { description: 'the id of a socket, or { userId }' }), 'reason?': Text } },
  'ws.getStatus': { parameters: { 'options?': Type.Object({ cluster: Cluster }, closed) }, isSync: true },
  'ws.confirmations.ask': { parameters: { question: Question } },
  'ws.confirmations.get': { parameters: { callbackId: Text } },
  'ws.confirmations.list': { parameters: { 'options?': ConfirmationListOptions } },
  'ws.confirmations.wait': { parameters: { callbackId: Text, 'options?': Type.Object({ signal: Type.Optional(Signal) }, closed) } },
  'ws.confirmations.answer': { parameters: { callbackId: Text, answer: ConfirmationAnswer, by: AnsweredBy }, isForPerson: true },
  'ws.confirmations.cancel': { parameters: { callbackId: Text, 'feedback?': Text } },
  'ws.tasks.start': { parameters: { options: TaskStartOptions } },
  'ws.tasks.progress': { parameters: { taskId: Text, progress: Percent, 'message?': Text } },
  'ws.tasks.log': { parameters: { taskId: Text, line: Text, 'level?': TaskLogLine.properties.level } },
  'ws.tasks.done': { parameters: { taskId: Text, 'result?': Any }, subject: 'result' },
  'ws.tasks.fail': { parameters: { taskId: Text, error: Failure } },
  'ws.tasks.cancel': { parameters: { taskId: Text, 'options?': TaskCancelOptions } },
  'ws.tasks.get': { parameters: { taskId: Text, 'options?': Type.Object({ cluster: Cluster }, closed) }, isSync: true },
  'ws.tasks.list': { parameters: { userId: UserId, 'options?': TaskListOptions }, isSync: true }
} satisfies Record<string, Signature>

/** The compiled signatures. */
export const methods = defineMethods(signatures)
