import { CallbackId, ChannelName, ClientId, Feedback, FrameId, IdempotencyKey, RecoverFrom, StreamPosition, TaskId, UserId } from '../../schemas/fields.js'
import { clientFrames, type ClientFrameType } from '../../schemas/frames/client.js'
import { StreamField, serverFrames, ConnectionData, type ServerFrameType } from '../../schemas/frames/server.js'
import { FromField, Message } from '../../schemas/messages.js'
import { AnsweredBy, AvailabilityReason, ConfirmationOutcome, PresenceList, TaskStatus } from '../../schemas/records.js'
import type { AppCall, AsyncApiInput } from './input.js'
import { asJson, type ComponentSchemas, type JsonObject, type JsonSchema } from './component-schemas.js'
import { frameSchema, type Added } from './frame-schema.js'
import { Names, pascalCase } from './names.js'

/** A message of the document. */
export interface DescribedMessage {
  /** Its name among the messages of the document. */
  key: string
  /** Its sender; a reply is the server's, and only an answer. */
  from: 'client' | 'server' | 'reply'
  type: string
  body: JsonObject & { title: string, summary: string }
  /** Keys of the messages that answer it. */
  answers: string[]
}

/** Fields and records that have a name of their own in the document. */
const SHARED = {
  AnsweredBy,
  AvailabilityReason,
  CallbackId,
  ChannelName,
  ClientId,
  ConfirmationOutcome,
  ConnectionData,
  Feedback,
  FrameId,
  IdempotencyKey,
  MessageSender: FromField,
  PresentUser: PresenceList.properties.users.items,
  RecoverFrom,
  RecoveredStream: ConnectionData.properties.streams.items,
  StreamPosition,
  StreamField,
  TaskId,
  TaskStatus,
  UserId
}

/** Frames that answer one of the protocol, in addition to a `reply` or an `error`. */
const ANSWERS: Partial<Record<ClientFrameType, ServerFrameType[]>> = {
  ping: ['pong'],
  connection: ['connection'],
  auth: ['connection'],
  change_user: ['connection'],
  subscribe: ['subscribed', 'subscription_confirmed'],
  unsubscribe: ['unsubscribed'],
  confirm: ['confirmation_closed'],
  cancel: ['task_cancelled']
}
const ERROR = 'server.error'

/** Fields that the server adds to messages of the app. */
const ADDED: JsonObject = {
  stream: asJson(StreamField),
  from: asJson(FromField),
  message_id: { type: 'string', description: 'Id of an acknowledged message; all copies have the same' },
  requires_ack: { type: 'boolean', const: true, description: 'Answer with an ack frame' }
}

/** Gives the protocol's own fields and records their names in the document. */
export function shareFields (components: ComponentSchemas): void {
  for (const [name, schema] of Object.entries(SHARED)) components.share(name, asJson(schema))
}

/** Describes all messages: the frames of the protocol, then those of the app. */
export function messagesOf (input: AsyncApiInput, components: ComponentSchemas): DescribedMessage[] {
  const names = new Names()
  const describe = (from: DescribedMessage['from'], type: string, payload: JsonSchema, { key = `${from}.${type}`, title = type, summary, schemaName = nameOf(from, type), answers = [] }: Details): DescribedMessage => ({
    key: names.free(key),
    from,
    type,
    answers,
    body: {
      name: title,
      title,
      summary,
      payload: components.add(schemaName, payload),
      ...from !== 'server' && { correlationId: { $ref: '#/components/correlationIds/frame' } }
    }
  })
  const frame = (from: DescribedMessage['from'], type: string, schema: JsonSchema, summary: string, { added = { properties: {} }, answers = [] }: { added?: Added, answers?: string[] } = {}) => {
    const { examples, ...described } = typeof schema === 'object' ? schema : {} as JsonObject
    const payload = frameSchema(type, described, added, (base) => components.add(`${nameOf(from, type)}Fields`, base))
    const message = describe(from, type, payload, { summary: (described.description as string | undefined) ?? summary, answers })
    Object.assign(message.body, examplesOf(type, examples))
    return message
  }
  return [
    ...Object.entries(clientFrames).map(([type, schema]) => frame('client', type, asJson(schema), '', { answers: answersOf(type as ClientFrameType) })),
    ...Object.entries(serverFrames).map(([type, schema]) => frame('server', type, asJson(schema), '')),
    ...input.calls.flatMap((call) => {
      const { type, schema, reply } = call
      const answer = describe('reply', type, replyFrame(type, reply, components), { title: `Reply to ${type}`, summary: `Result of ${type}` })
      return [frame('client', type, schema, summaryOf(call), { added: envelopeOf(call), answers: [answer.key, ERROR] }), answer]
    }),
    ...input.messages.map(({ type, schema }) => frame('server', type, schema, 'A message of the app', { added: { properties: ADDED } })),
    ...Object.entries(input.confirmations).flatMap(([kind, { data, answer }]) => {
      const answered = describe('client', 'confirm', withPart('ClientConfirm', { ...answer !== undefined && { answer: components.add(`${pascalCase(kind)}Answer`, answer) } }), {
        key: `client.answer.${kind}`, title: `Answer to ${kind}`, summary: `Answers a question of the kind ${kind}`, schemaName: `${pascalCase(kind)}Confirm`, answers: answersOf('confirm')
      })
      const part = { kind: { type: 'string', const: kind }, ...data !== undefined && { data: components.add(`${pascalCase(kind)}Data`, data) } }
      const asked = describe('server', 'task_step_result', withPart('ServerTaskStepResult', part, Object.keys(part)), {
        key: `server.question.${kind}`, title: `Question ${kind}`, summary: `A question of the kind ${kind}`, schemaName: `${pascalCase(kind)}Question`, answers: [answered.key]
      })
      return [asked, answered]
    }),
    ...(input.isClosed ? [] : [ANY_OTHER]).map((details) => describe('server', '*', { ...asJson(Message), properties: { ...asJson(Message.properties), ...ADDED } }, details))
  ]
}

const ANY_OTHER: Details = {
  key: 'server.other', title: 'Any other message of the app', summary: 'The app may send messages that it has not declared', schemaName: 'OtherMessage'
}

interface Details { key?: string, title?: string, summary: string, schemaName?: string, answers?: string[] }

function nameOf (from: DescribedMessage['from'], type: string): string {
  return from === 'reply' ? `${pascalCase(type)}Reply` : pascalCase(`${from}.${type}`)
}

function answersOf (type: ClientFrameType): string[] {
  return [...(ANSWERS[type] ?? []).map((answer) => `server.${answer}`), 'server.reply', ERROR]
}

function replyFrame (type: string, reply: JsonSchema, components: ComponentSchemas): JsonObject {
  const data = components.add(`${pascalCase(type)}ReplyData`, reply)
  return { type: 'object', properties: { type: { type: 'string', const: 'reply' }, id: asJson(FrameId), data }, required: ['type', 'id', 'data'] }
}

/** Fields that every call has, whatever kind its schema is of. */
function envelopeOf ({ channel }: AppCall): Added {
  const properties = { id: asJson(FrameId), idempotency_key: asJson(IdempotencyKey) }
  return channel === null ? { properties } : { properties: { ...properties, channel: asJson(ChannelName) }, required: ['channel'] }
}

function summaryOf ({ type, channel, isRest }: AppCall): string {
  const place = channel === null ? '' : `, by a member of a channel ${channel}`
  return `Calls ${type}${place}${isRest ? '; also by REST' : ''}`
}

/** A frame of the protocol with fields that are more exact. */
function withPart (frame: string, properties: JsonObject, required: readonly string[] = []): JsonObject {
  return { allOf: [{ $ref: `#/components/schemas/${frame}` }, { type: 'object', properties, required }] }
}

/** Examples of the message's own fields, as whole messages. */
function examplesOf (type: string, examples: unknown): JsonObject {
  return Array.isArray(examples) ? { examples: examples.map((example: object) => ({ payload: { type, ...example } })) } : {}
}
