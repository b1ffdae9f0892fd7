import { Type } from '@sinclair/typebox'
import t from 'tap'
import { Type as Type1 } from 'typebox'
import { FromField } from '../../schemas/messages.js'
import { clientFrames } from '../../schemas/frames/client.js'
import { serverFrames } from '../../schemas/frames/server.js'
import type { AsyncApiDocument } from '../../lib/index.js'
import { asyncApi, serversOf } from '../../lib/asyncapi/document.js'
import type { AsyncApiInput } from '../../lib/asyncapi/input.js'
import { pascalCase } from '../../lib/asyncapi/names.js'
import { startApp } from '../fixtures/app.js'
import { declareRichly, faultsOf } from '../fixtures/asyncapi.js'

const EMPTY: AsyncApiInput = {
  info: { title: 'Test', version: '1' }, path: '/ws', credentials: { isJwt: true, cookie: null }, messages: [], calls: [], confirmations: {}, isClosed: false, channels: {}
}
const describe = (input: Partial<AsyncApiInput>): AsyncApiDocument => {
  const document = asyncApi({ ...EMPTY, ...input })
  t.strictSame(JSON.parse(JSON.stringify(document)), document, 'it is plain JSON')
  t.strictSame(faultsOf(document), [])
  return document
}
const payload = ({ components }: AsyncApiDocument, name: string) => components.schemas[name] as { properties: object, required: string[], description: string, allOf: { required: string[] }[] }

t.test('a rich app\'s document is plain JSON in which every reference and name is good', async (t) => {
  const { app } = await startApp(t, {}, { after: declareRichly })
  const document = app.ws.asyncapi()
  t.strictSame(JSON.parse(JSON.stringify(document)), document)
  t.strictSame(faultsOf(document), [])
  t.match(document, { asyncapi: '3.0.0', info: { title: 'WebSocket API', version: '1.0.0' } })
  const broken = { ...document, channels: { ...document.channels, 'a b': { $ref: '#/nowhere', $id: 'x' } } }
  t.strictSame(faultsOf(broken), ['/channels/a b: #/nowhere is nowhere', '/channels/a b: $id', 'the name a b'], 'faults would be found')
})

t.test('every frame of the protocol is in the document once, with a summary', (t) => {
  const { components: { messages }, channels, operations } = describe({})
  const wanted = [...Object.keys(clientFrames).map((type) => `client.${type}`), ...Object.keys(serverFrames).map((type) => `server.${type}`), 'server.other']
  t.strictSame(Object.keys(messages).sort(), wanted.sort())
  t.strictSame(Object.keys(channels.socket!.messages as object).sort(), wanted)
  for (const [key, { name, summary, payload }] of Object.entries(messages)) {
    t.match(summary, /^\S.{5,}/, `${key}: summary`)
    if (key === 'server.other') continue
    const [from, type] = key.split('.')
    t.equal(name, type)
    const schema = describe({}).components.schemas[(payload as { $ref: string }).$ref.split('/').at(-1)!]
    t.match(schema, { properties: { type: { const: type } }, required: ['type'] }, key)
    const used = Object.values(operations).filter(({ messages }) => (messages as { $ref: string }[]).some(({ $ref }) => $ref.endsWith(`/${key}`)))
    t.strictSame(used.map(({ action }) => action), [from === 'client' ? 'receive' : 'send'], key)
  }
  t.end()
})

t.test('every call has its reply, and the frames of clients have the answers of the protocol', async (t) => {
  const { app } = await startApp(t, {}, { after: declareRichly })
  const document = app.ws.asyncapi()
  const { operations, components: { schemas } } = document
  const answers = (name: string) => (operations[name]!.reply as { messages: { $ref: string }[] }).messages.map(({ $ref }) => $ref.split('/').at(-1))
  for (const type of ['chat.send', 'chat.thread', 'doc.edit', 'doc.close', 'mail.count']) t.strictSame(answers(`receive.${type}`), [`reply.${type}`, 'server.error'], type)
  t.strictSame(answers('receive.ping'), ['server.pong', 'server.reply', 'server.error'])
  for (const type of Object.keys(clientFrames)) t.strictSame(answers(`receive.${type}`).slice(-2), ['server.reply', 'server.error'], type)
  t.match(schemas.ChatSendReply, { properties: { type: { const: 'reply' }, id: { $ref: '#/components/schemas/FrameId' }, data: { $ref: '#/components/schemas/ChatSendReplyData' } }, required: ['type', 'id', 'data'] })
  t.match(schemas.ChatSendReplyData, { properties: { sent_at: { type: 'number' } } })
  t.match(operations['receive.chat.send'], { action: 'receive', summary: 'Says something' })
  t.equal(operations['receive.doc.edit']!.summary, 'Calls doc.edit, by a member of a channel doc-*')
  t.equal(describe({ calls: [{ type: 'a.b', schema: {}, reply: {}, channel: null, isRest: true }] }).operations['receive.a.b']!.summary, 'Calls a.b; also by REST')
})

t.test('a call has its id, and its channel where it is for channels, whatever the kind of its schema', async (t) => {
  const kinds = { 'a.typebox': Type.Object({ x: Type.Number() }), 'a.typebox1': Type1.Object({ x: Type1.Number() }), 'a.json': { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] } }
  const { app } = await startApp(t, {}, {
    after: ({ ws }) => {
      for (const [type, schema] of Object.entries<object>(kinds)) {
        ws.handle(type, { schema }, () => {})
        ws.handle(`${type}.room`, { schema, channel: 'room-*' }, () => {})
      }
    }
  })
  const { components: { schemas } } = app.ws.asyncapi()
  const own = { id: { $ref: '#/components/schemas/FrameId' }, idempotency_key: { $ref: '#/components/schemas/IdempotencyKey' } }
  for (const type of Object.keys(kinds)) {
    const x = { type: 'number' }
    const plain = schemas[`Client${pascalCase(type)}`] as { properties: object, required: string[] }
    t.strictSame(plain.properties, { type: { type: 'string', const: type }, x, ...own }, type)
    t.strictSame([...plain.required].sort(), ['type', 'x'], type)
    const inRoom = schemas[`Client${pascalCase(`${type}.room`)}`] as { properties: object, required: string[] }
    t.strictSame(inRoom.properties, { type: { type: 'string', const: `${type}.room` }, x, ...own, channel: { $ref: '#/components/schemas/ChannelName' } }, type)
    t.strictSame([...inRoom.required].sort(), ['channel', 'type', 'x'], type)
  }
})

t.test('a message of the app has its type, its own fields and those that the server adds', async (t) => {
  const { app } = await startApp(t, {}, { after: declareRichly })
  const document = app.ws.asyncapi()
  const added = ['stream', 'from', 'message_id', 'requires_ack']
  t.strictSame(Object.keys(payload(document, 'ServerChatMessage').properties), ['type', 'text', 'by', ...added], 'closed schemas accept them, too')
  t.strictSame(payload(document, 'ServerChatMessage').required, ['type', 'text', 'by'])
  t.match(payload(document, 'ServerChatQuote'), { allOf: [{ properties: { type: { const: 'chat.quote' } } }, { properties: { requires_ack: {} } }] })
  t.strictSame(payload(document, 'ServerChatMessage').properties, { ...payload(document, 'ServerChatMessage').properties, by: { $ref: '#/components/schemas/Author' } })
  t.match(payload(document, 'Author'), { description: 'Writer of a message', properties: { name: { type: 'string' } } })
  t.match(document.components.messages['client.chat.send'], { examples: [{ payload: { type: 'chat.send', text: 'hello' } }], correlationId: { $ref: '#/components/correlationIds/frame' } })
  t.match(payload(document, 'MessageSender'), { description: FromField.description })
  t.ok(document.operations['send.odd_type_1'])
  t.match(payload(document, 'ClientMailCount'), { allOf: [{ patternProperties: {} }, { properties: { type: { const: 'mail.count' } }, required: ['type'] }] })
})

t.test('the type is required of each alternative, also of one that accepts anything', (t) => {
  const document = describe({ messages: [{ type: 'a.b', schema: { oneOf: [true, { type: 'object', properties: { n: {} }, required: ['n'] }] } }] })
  t.match(payload(document, 'ServerAB'), { oneOf: [{ properties: { type: { const: 'a.b' } }, required: ['type'] }, { properties: { type: { const: 'a.b' }, n: {} }, required: ['type', 'n'] }] })
  t.end()
})

t.test('recursive schemas refer to components', async (t) => {
  const { app } = await startApp(t, {}, { after: declareRichly })
  const document = app.ws.asyncapi()
  t.match(payload(document, 'ServerTreeSaved'), { properties: { tree: { $ref: '#/components/schemas/Branch' } } })
  t.match(payload(document, 'Branch'), { properties: { branches: { items: { $ref: '#/components/schemas/Branch' } } } })
  t.match(payload(document, 'ClientChatThread'), { allOf: [{ $ref: '#/components/schemas/ClientChatThreadFields' }, { required: ['type'] }] })
  t.match(payload(document, 'ClientChatThreadFields'), { properties: { answers: { items: { $ref: '#/components/schemas/ClientChatThreadFields' } } } })
  t.match(payload(document, 'ChatThreadReplyData'), { properties: { answers: { items: { $ref: '#/components/schemas/ChatThreadReplyData' } } } })
})

t.test('questions have a message of their own kind, and their answer', (t) => {
  const data = { type: 'object', properties: { loss: { type: 'number' } } }
  const document = describe({ confirmations: { 'train.failed': { data, answer: { type: 'string' } }, 'are.you.sure': {} } })
  t.match(payload(document, 'TrainFailedQuestion'), {
    allOf: [{ $ref: '#/components/schemas/ServerTaskStepResult' }, { properties: { kind: { const: 'train.failed' }, data: { $ref: '#/components/schemas/TrainFailedData' } }, required: ['kind', 'data'] }]
  })
  t.match(payload(document, 'TrainFailedConfirm'), { allOf: [{ $ref: '#/components/schemas/ClientConfirm' }, { properties: { answer: { $ref: '#/components/schemas/TrainFailedAnswer' } } }] })
  t.strictSame(payload(document, 'TrainFailedData'), data)
  t.strictSame(payload(document, 'AreYouSureQuestion').allOf[1]!.required, ['kind'])
  t.match(document.operations['send.question.train.failed'], { action: 'send', reply: { messages: [{ $ref: '#/channels/socket/messages/client.answer.train.failed' }] } })
  t.match(document.operations['receive.answer.train.failed'], { action: 'receive' })
  t.end()
})

t.test('channels of the app have no address, and list what passes in them', async (t) => {
  const { channels } = describe({
    messages: [{ type: 'chat.message', schema: { type: 'object' } }, { type: 'doc.saved', schema: true }],
    calls: [{ type: 'doc.edit', schema: { type: 'object' }, reply: {}, channel: 'doc-*', isRest: false }],
    channels: { 'room-*': { messages: ['chat.message'] }, 'doc-*': { messages: ['doc.saved'] }, 'room-any': { messages: [] } }
  })
  t.strictSame(Object.keys(channels), ['socket', 'channel.room-any', 'channel.doc-any', 'channel.room-any2'])
  t.match(channels['channel.room-any'], { address: null, title: 'room-*', 'x-channel-pattern': 'room-*', messages: { 'server.chat.message': { $ref: '#/components/messages/server.chat.message' } } })
  t.strictSame(Object.keys(channels['channel.doc-any']!.messages as object), ['client.doc.edit', 'server.doc.saved'])
})

t.test('the credentials of an upgrade are security schemes, one of which the server needs', (t) => {
  const names = (credentials: AsyncApiInput['credentials']) => Object.keys(describe({ credentials }).components.securitySchemes)
  t.strictSame(names({ isJwt: true, cookie: null }), ['bearerAuth', 'bearerProtocol', 'ticket'])
  t.strictSame(names({ isJwt: true, cookie: 'session' }), ['bearerAuth', 'bearerProtocol', 'cookieAuth', 'ticket'])
  t.strictSame(names({ isJwt: false, cookie: null }), ['ticket'], 'only the app knows its own')
  t.match(serversOf('https://api.example', { isJwt: false, cookie: null }), { server: { host: 'api.example', protocol: 'wss', security: [{ $ref: '#/components/securitySchemes/ticket' }] } })
  t.match(serversOf('http://[::1]:3000', EMPTY.credentials), { server: { host: '[::1]:3000', protocol: 'ws' } })
  t.end()
})
