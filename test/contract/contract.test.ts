import { randomUUID } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import { Type as Type1 } from 'typebox'
import t, { type Test } from 'tap'
import { defineContract, mergeContracts, type ContractParts } from '../../lib/contract/contract.js'
import { redis } from '../../lib/engine/redis/redis.js'
import type { HandlerOptions, WsPluginOptions } from '../../lib/index.js'
import { startApp, type AppOptions, type TestApp } from '../fixtures/app.js'
import { RedisServer } from '../fixtures/redis.js'

const Text = Type.Object({ text: Type.String() })
const chat = defineContract({
  messages: { 'chat.message': Text, 'chat.typing': Type1.Object({ is_typing: Type1.Boolean() }), 'mail.new': { type: 'object', properties: { subject: { type: 'string' } }, required: ['subject'] } },
  calls: { 'chat.send': { data: Text, reply: Type.Object({ sent_at: Type.Number() }), rest: true }, 'chat.draw': { channel: 'room-*' } },
  channels: { 'room-*': { messages: ['chat.message', 'chat.typing'], presence: true }, 'room-7': { messages: ['mail.new'] } }
})

const handlers: AppOptions['after'] = ({ ws }) => {
  ws.handle('chat.send', {} as HandlerOptions<object>, () => ({ sent_at: 1 }))
  // Untyped, as it is where no contract is registered for the compiler.
  const handle = ws.handle as unknown as (type: string, handler: (message: { channel?: string }) => unknown) => void
  handle('chat.draw', ({ channel }) => channel)
}

const start = (t: Test, options: WsPluginOptions = {}, after = handlers): Promise<TestApp> =>
  startApp(t, { contract: chat, authorizeSubscribe: () => true, authorizeSend: () => true, ...options }, { after })

t.test('contracts of several files are merged, and a name that two of them define is refused', (t) => {
  const mail = { messages: { 'mail.old': Text } }
  t.strictSame(mergeContracts(mail, { calls: { 'mail.read': {} } }), { messages: { 'mail.old': Text }, calls: { 'mail.read': {} }, confirmations: {}, channels: {} })
  t.strictSame(mergeContracts(mail, mail), defineContract(mail), 'the same value is no clash')
  for (const part of ['messages', 'calls', 'confirmations', 'channels'] as const) {
    t.throws(() => mergeContracts({ [part]: { 'mail.old': {} } }, { [part]: { 'mail.old': {} } }),
      { code: 'WSM_ERR_INVALID_CONTRACT', message: `The contract is not valid: ${part}["mail.old"]: two parts of the contract define it` })
  }
  t.end()
})

t.test('what is no contract, or would be lost in the merged one, is refused', (t) => {
  const mail = { messages: { 'mail.old': Text } }
  const noObject = 'a contract is an object with the parts messages, calls, confirmations and channels'
  const bad: Array<[contracts: unknown[], message: string]> = [
    [[null], `argument 1: ${noObject}`], [[mail, undefined], `argument 2: ${noObject}`], [[1], `argument 1: ${noObject}`], [[[mail, mail]], `argument 1: ${noObject}`],
    [[mail, { message: {} }], 'argument 2: it has no part "message", only messages, calls, confirmations and channels'],
    [[{ messages: [Text] }], 'argument 1: its messages must be an object with one field for each name'], [[{ calls: 'xy' }], 'argument 1: its calls must be'], [[{ messages: new Map([['a.b', Text]]) }], 'argument 1: its messages must be'], [[{ calls: null }], 'argument 1: its calls must be']
  ]
  for (const [contracts, message] of bad) {
    t.throws(() => mergeContracts(...contracts as ContractParts[]), { code: 'WSM_ERR_INVALID_CONTRACT', message: `The contract is not valid: ${message}` }, message)
  }
  t.throws(() => defineContract(null as never), { code: 'WSM_ERR_INVALID_CONTRACT' })
  const own = mergeContracts({ messages: JSON.parse('{"__proto__": {}}'), calls: undefined as never })
  t.strictSame(Object.keys(own.messages), ['__proto__'], 'so that the plugin refuses it by name')
  t.strictSame(mergeContracts(), defineContract({}), 'of none it is empty')
  t.end()
})

/** A list in a list, and so on. */
const nested = (levels: number): unknown[] => levels === 1 ? [] : [nested(levels - 1)]

t.test('a bad contract is refused by name when the plugin is registered', async (t) => {
  const unreadable = Object.defineProperty({}, 'type', { enumerable: true, get () { throw new Error('not now') } })
  const endless = { type: 'object', properties: {} }
  Object.assign(endless.properties, { endless })
  const bad: [contract: unknown, message: string][] = [
    [{ messages: { ping: Text } }, 'messages["ping"]: the name is reserved for the protocol'],
    [{ messages: { message: Text } }, 'messages["message"]: the name must be namespaced'],
    [{ messages: { 'a.b': Type.Object({ at: Type.Date() }) } }, 'messages["a.b"]: its schema has a Type.Date, which JSON Schema cannot express'],
    [{ messages: { 'a.b': Type.String() } }, 'messages["a.b"]: its schema must describe an object'],
    [{ messages: { 'a.b': Type.Object({ type: Type.Literal('a.c') }) } }, 'messages["a.b"]: its schema describes messages of another type than "a.b"'],
    [{ messages: { 'a.b': null } }, 'messages["a.b"]: its schema '],
    [{ calls: { auth: {} } }, 'calls["auth"]: the name is reserved for the protocol'],
    [{ calls: { 'a.b': { data: Type.Number() } } }, 'calls["a.b"]: its data must describe an object'],
    [{ calls: { 'a.b': { reply: Type.Date() } } }, 'calls["a.b"]: its reply has a Type.Date'],
    [{ calls: { 'a.b': { reply: Type.String({ format: 'no such' }) } } }, 'calls["a.b"]: its reply has the format "no such"'],
    [{ calls: { 'a.b': { channel: 'a**' } } }, 'calls["a.b"]: "a**" is not a valid channel pattern'],
    [{ calls: { 'a.b': { channel: 'room-*', rest: true } } }, 'calls["a.b"]: a call with a channel cannot have rest'],
    [{ confirmations: { failed: {} } }, 'confirmations["failed"]: the name must be namespaced'],
    [{ confirmations: { 'a.b': { data: Type.String({ format: 'no such' }) } } }, 'confirmations["a.b"]: its data has the format "no such"'],
    [{ confirmations: { 'a.b': { answer: Type.Date() } } }, 'confirmations["a.b"]: its answer has a Type.Date'],
    [{ channels: { 'a**': {} } }, 'channels["a**"]: "a**" is not a valid channel pattern'],
    [{ channels: { 'room-*': { messages: ['a.b'] } } }, 'channels["room-*"]: "a.b" is not a message of the contract'],
    [{ channels: { 'room-*': { messages: [] } } }, 'channels["room-*"]: its messages are empty'],
    [{ messages: { 'a.b': unreadable } }, 'messages["a.b"]: its schema cannot be read: not now'],
    [{ messages: { 'a.b': endless } }, 'messages["a.b"]: its schema contains itself: refer to it with $ref instead (at /properties/endless)'],
    [{ messages: { 'a.b': Type.Object({ from: Type.String() }) } }, 'messages["a.b"]: its schema has the field "from", which only the server sets'],
    [{ messages: { 'a.b': { type: 'object', required: ['stream'] } } }, 'messages["a.b"]: its schema has the field "stream", which only the server sets'],
    [{ messages: JSON.parse('{"__proto__": {}}') }, 'messages["__proto__"]: the name must be namespaced'],
    [{ calls: { 'a.b': { data: null } } }, 'calls["a.b"]: its data is not a JSON Schema: it is null'],
    [{ calls: { 'a.b': { data: unreadable } } }, 'calls["a.b"]: its data cannot be read: not now'],
    [{ calls: { 'a.b': { reply: endless } } }, 'calls["a.b"]: its reply contains itself: refer to it with $ref instead (at /properties/endless)'],
    [{ confirmations: { 'a.b': { data: unreadable } } }, 'confirmations["a.b"]: its data cannot be read: not now'],
    [{ confirmations: { 'a.b': { answer: null } } }, 'confirmations["a.b"]: its answer is not a JSON Schema: it is null'],
    [{ confirmations: { 'a.b': { answer: '' } } }, 'confirmations["a.b"]: its answer is not a JSON Schema: it is a string'],
    [{ confirmations: { 'a.b': { answer: Type.String({ pattern: '^a' }) } } }, 'confirmations["a.b"]: its answer has the pattern ^a without a maxLength'],
    [{ confirmations: { 'a.b': { answer: Type.String({ format: 'no such' }) } } }, 'confirmations["a.b"]: its answer has the format "no such"'],
    [{ calls: { 'a.b': { data: Type.Object({ id: Type.Number() }) } } }, 'calls["a.b"]: its data has the field "id", which is the frame\'s'],
    [{ calls: { 'a.b': { data: Type.Object({ idempotency_key: Type.String() }) } } }, 'calls["a.b"]: its data has the field "idempotency_key", which is the frame\'s'],
    [{ calls: { 'a.b': { data: Type1.Object({ type: Type1.Literal('a.b') }) } } }, 'calls["a.b"]: its data has the field "type", which is the frame\'s'],
    [{ calls: { 'a.b': { data: Type.Object({ channel: Type.String() }), channel: 'room-*' } } }, 'calls["a.b"]: its data has the field "channel", which is the frame\'s'],
    [{ calls: { 'a.b': { data: { type: 'object', required: ['id'] } } } }, 'calls["a.b"]: its data has the field "id"'],
    [{ calls: { 'a.b': { data: Type.Union([Type.Object({ x: Type.Number() }), Type.Object({ id: Type.Number() })]) } } }, 'calls["a.b"]: its data has the field "id"'],
    [{ calls: { 'a.b': { data: { $ref: '#/$defs/A', $defs: { A: { allOf: [{ $ref: '#/$defs/A' }, { type: 'object', properties: { id: true } }] } } } } } }, 'calls["a.b"]: its data '],
    [{ calls: { 'a.b': { data: Type.Recursive((This) => Type.Object({ id: Type.Optional(This) })) } } }, 'calls["a.b"]: its data has the field "id"'],
    [{ messages: { 'a.b': { $ref: '#/$defs/A', $defs: { A: { type: 'object', properties: { from: true } } } } } }, 'messages["a.b"]: its schema has the field "from", which only the server sets'],
    [{ messages: { 'a.b': Type.Intersect([Type.Object({}), Type.Object({ stream: Type.String() })]) } }, 'messages["a.b"]: its schema has the field "stream", which only the server sets'],
    [{ confirmations: { 'a.b': { answer: 0 } } }, 'confirmations["a.b"]: its answer is not a JSON Schema: it is a number'],
    [{ confirmations: { 'a.b': { answer: NaN } } }, 'confirmations["a.b"]: its answer is not a JSON Schema: it is a number'],
    [{ confirmations: { 'a.b': { data: null } } }, 'confirmations["a.b"]: its data is not a JSON Schema: it is null'],
    [{ calls: { 'a.b': { data: false } } }, 'calls["a.b"]: its data must describe an object'],
    [{ confirmations: { 'a.b': { answer: { default: nested(201) } } } }, 'confirmations["a.b"]: its answer is nested deeper than 200 levels'],
    [{ confirmations: { 'a.b': { answer: Type.Ref('Nothing') } } }, 'confirmations["a.b"]: its answer cannot be compiled: it refers to "Nothing"']
  ]
  for (const [contract, message] of bad) {
    const { code, message: given } = await startApp(t, { contract: contract as ContractParts }).then(() => ({ code: null, message: 'it was registered' }), (error: Error & { code: string }) => error)
    t.equal(code, 'WSM_ERR_INVALID_CONTRACT', message)
    t.ok(given.startsWith(`The contract is not valid: ${message}`), given)
  }
  await t.rejects(startApp(t, { contract: { calls: { 'a.b': { repply: Text } } } as ContractParts }), { code: 'WSM_ERR_INVALID_OPTION', message: /contract\.calls\.a\.b\.repply.*did you mean "reply"/ })
  await t.rejects(startApp(t, { contract: { channels: { 'a.b': { history: false, recover: 'latest' } } } }), { code: 'WSM_ERR_INVALID_OPTION', message: /channels\.a\.b\.recover/ })
})

t.test('an app whose contract has a call without a handler does not become ready', async (t) => {
  await t.rejects(start(t, {}, () => {}), { code: 'WSM_ERR_INVALID_CONTRACT', message: 'The contract is not valid: calls["chat.send", "chat.draw"]: no handler is registered' })
})

t.test('a handler of a call of the contract gives nothing that the contract says', async (t) => {
  const handle = (type: string, options: object) => start(t, {}, (app) => {
    app.ws.handle(type, options as HandlerOptions<object>, () => null)
  })
  const refused = (type: string, options: object, reason: string) => t.rejects(handle(type, options), { code: 'WSM_ERR_INVALID_HANDLER', message: `The handler for "${type}" cannot be registered: ${reason}` })
  await refused('chat.read', { schema: Text }, 'it is not a call of the contract')
  await refused('chat.send', { schema: Type.Object({ txt: Type.String() }) }, 'its schema is in the contract, and must be left out here')
  await refused('chat.send', { schema: chat.calls['chat.send'].data }, 'its schema is in the contract')
  await refused('chat.send', { reply: Type.Number() }, 'its reply is in the contract')
  await refused('chat.send', { rest: true }, 'its rest is in the contract')
  await refused('chat.draw', { channel: 'room-*' }, 'its channel is in the contract')
  const { app } = await start(t, {}, (app) => {
    app.ws.handle('chat.send', { schema: undefined as never, reply: undefined, rest: undefined, channel: undefined, limits: { messagesPerSecond: 1, burst: 1 } }, () => ({ sent_at: 1 }))
    app.ws.handle('chat.draw', { authorize: () => true } as unknown as HandlerOptions<object>, () => null)
  })
  t.ok(app.ws.getHealth())
})

t.test('calls of the contract are served by frame, by REST and in channels', async (t) => {
  const server = await start(t)
  const alice = await server.connect('alice', { path: '/ws?channel_id=room-1' })
  t.match(await alice.request({ type: 'chat.send', text: 'hello' }), { type: 'reply', data: { sent_at: 1 } })
  t.match(await alice.request({ type: 'chat.send' }), { type: 'error', code: 'invalid_message' })
  t.match(await server.rest('POST', '/ws/call/chat.send', { as: 'alice', body: { text: 'hello' } }), { status: 200, body: { data: { sent_at: 1 } } })
  t.match(await alice.request({ type: 'chat.draw', channel: 'room-1' }), { data: 'room-1' })
  t.match(await alice.request({ type: 'chat.draw', channel: 'lobby' }), { code: 'invalid_message' })
  t.equal((await server.app.ws.presence('room-1')).users.length, 1, 'the contract has the rules of its channels')
})

t.test('only messages of the contract are sent, whoever sends them, and in channels only those that belong there', async (t) => {
  const server = await start(t)
  const { ws } = server.app
  const alice = await server.connect('alice')
  const invalid = { code: 'WSM_ERR_INVALID_ARGUMENT' }
  await t.rejects(ws.broadcast({ type: 'chat.left' }), { ...invalid, message: 'ws.broadcast(): message.type: "chat.left" is not a message of the contract' })
  await t.rejects(ws.sendToUser('alice', { type: 'chat.typing', is_typing: 'yes' }), invalid)
  await t.rejects(ws.sendToClient(alice.id, { type: 'mail.new' }), invalid)
  await t.rejects(ws.sendToChannel('room-1', { type: 'mail.new', subject: 'x' }), { ...invalid, message: /message\.type: "mail\.new" does not belong in channel "room-1"/ })
  t.match(await server.rest('POST', '/ws/broadcast', { body: { message: { type: 'chat.left' } } }), { status: 400, body: { details: [{ path: '/message/type' }] } })
  for (const frame of [
    { type: 'user', user_ids: ['alice'], data: { type: 'chat.left' } }, { type: 'user', user_ids: ['alice'], data: { text: 'no type' } },
    { type: 'client', client_ids: [alice.id], data: { type: 'chat.message' } }, { type: 'channel', channel_ids: ['lobby', 'room-1'], data: { type: 'mail.new', subject: 'x' } }
  ]) t.match(await alice.request(frame), { type: 'error', code: 'invalid_message' }, JSON.stringify(frame))
  await ws.sendToChannel('room-7', { type: 'mail.new', subject: 'what one of two rules allows' })
  await ws.sendToChannel('lobby', { type: 'mail.new', subject: 'what no rule forbids' })
  t.match(await alice.request({ type: 'channel', channel_ids: ['room-1'], data: { type: 'chat.message', text: 'hello' } }), { type: 'reply' })
  for (const type of ['chat.message', 'plugin.note', 'ping']) {
    t.throws(() => ws.declare(type, Text), { code: 'WSM_ERR_INVALID_HANDLER', message: `The message "${type}" cannot be registered: the app has a contract, to which it must be added` })
  }
  await t.rejects(ws.broadcast({ type: 'plugin.note', text: 'hello' }), invalid)
})

t.test('of the rules of a channel the last one with messages decides, as the documents show', async (t) => {
  const messages = { 'a.a': Text, 'a.b': Text, 'a.c': Text }
  const channels = { '*': { messages: ['a.a', 'a.b'] }, 'room-*': { messages: ['a.a'] }, 'room-open': { presence: true }, 'room-own': { messages: ['a.c'] }, '*-end': { messages: ['a.b'] }, 'log-end': { messages: ['a.c'] }, 'x-*-end': {} }
  const { app: { ws } } = await startApp(t, { contract: { messages, channels } })
  const allowed = { lobby: 'a.a a.b', 'room-1': 'a.a', 'room-open': 'a.a', 'room-own': 'a.c', 'room-end': 'a.b', 'log-end': 'a.c', 'x-1-end': 'a.b' }
  for (const [channel, types] of Object.entries(allowed)) {
    const sent = await Promise.all(Object.keys(messages).map((type) => ws.sendToChannel(channel, { type, text: 'hello' }).then(() => [type], () => [])))
    t.equal(sent.flat().join(' '), types, channel)
  }
  const described = Object.values(ws.asyncapi().channels).filter((channel) => 'x-channel-pattern' in channel)
    .map(({ title, messages }) => [title, Object.keys(messages as object).map((key) => key.replace('server.', '')).join(' ')])
  t.strictSame(Object.fromEntries(described), {
    '*': 'a.a a.b', 'room-*': 'a.a', 'room-open': 'a.a', 'room-own': 'a.c', '*-end': 'a.b', 'log-end': 'a.c', 'x-*-end': 'a.b'
  })
})

t.test('the AsyncAPI document of an app with a contract has no other messages', async (t) => {
  const others = async (options: WsPluginOptions) => Object.hasOwn((await startApp(t, options)).app.ws.asyncapi().components.messages, 'server.other')
  t.equal(await others({}), true)
  t.equal(await others({ contract: {} }), false)
})

t.test('the option channels adds to the rules of the contract, field by field', async (t) => {
  const server = await start(t, { contract: { messages: { 'chat.message': Text }, channels: { 'room-*': { presence: true, history: { ttlMs: 9_000 } } } }, channels: { 'room-*': { history: { size: 1 } } } }, () => {})
  await server.connect('alice', { path: '/ws?channel_id=room-1' })
  t.equal((await server.app.ws.presence('room-1')).users.length, 1, 'its presence')
  for (let n = 0; n < 2; n++) await server.app.ws.sendToChannel('room-1', { type: 'chat.message', text: `message ${n}` })
  t.match((await server.app.ws.history('channel:room-1')).messages, [{ text: 'message 1' }], 'and a size')
  const both = { contract: { channels: { 'a.b': { history: false, recover: 'latest' } } }, channels: { 'a.b': { presence: true } } } as const
  await t.rejects(startApp(t, both), { code: 'WSM_ERR_INVALID_OPTION', message: /channels\.a\.b\.recover/ }, 'a rule without effect is refused in the contract as well')
})

t.test('a contract that changes after the registration changes nothing', async (t) => {
  const mutable = () => ({
    messages: { 'chat.message': Type.Object({ text: Type.String() }) },
    calls: { 'chat.send': { data: Type1.Object({ text: Type1.String() }), reply: Type.Object({ sent_at: Type.Number() }) } },
    confirmations: { 'chat.leave': { data: Type.Object({ why: Type.String() }), answer: { type: 'object', properties: { gpu: { type: 'string' } }, required: ['gpu'] } } },
    channels: { 'room-*': { messages: ['chat.message'], presence: true, history: { size: 1 } } }
  })
  const contract = mutable()
  const server = await start(t, { contract }, ({ ws }) => { ws.handle('chat.send', {} as HandlerOptions<object>, () => ({ sent_at: 1 })) })
  const { ws } = server.app
  const client = await server.connect('alice', { path: '/ws?channel_id=room-1' })
  const { messages, calls, confirmations, channels } = contract
  Object.assign(messages['chat.message'].properties.text, { type: 'number' })
  Object.assign(calls['chat.send'].data.properties.text, { type: 'number' })
  Object.assign(calls['chat.send'].reply.properties, { left_at: Type.String() })
  Object.assign(calls, { 'chat.left': {} })
  Object.assign(confirmations['chat.leave'].data.properties, { why: Type.Number() })
  confirmations['chat.leave'].answer.required.length = 0
  confirmations['chat.leave'].answer.properties.gpu.type = 'number'
  Object.assign(messages, { 'chat.left': Text })
  channels['room-*'].messages[0] = 'chat.left'
  channels['room-*'].presence = false
  channels['room-*'].history.size = 5
  for (let times = 0; times < 2; times++) await ws.sendToChannel('room-1', { type: 'chat.message', text: 'hello' })
  t.equal((await ws.history('channel:room-1')).messages.length, 1)
  t.equal((await ws.presence('room-1')).users.length, 1)
  await t.rejects(ws.broadcast({ type: 'chat.left', text: 'hello' }), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  t.match(await client.request({ type: 'chat.send', text: 'hello' }), { data: { sent_at: 1 } })
  const { callbackId } = await ws.confirmations.ask({ kind: 'chat.leave', to: { user: 'alice' }, message: 'Well?', data: { why: 'because' } })
  const by = { user_id: 'alice', client_id: null }
  await t.rejects(ws.confirmations.answer(callbackId, { proceed: true, answer: { gpu: 7 } }, by), { code: 'WSM_ERR_INVALID_MESSAGE' })
  await ws.confirmations.answer(callbackId, { proceed: true, answer: { gpu: 'a100' } }, by)
  const untouched = await start(t, { contract: mutable() }, ({ ws }) => { ws.handle('chat.send', {} as HandlerOptions<object>, () => ({ sent_at: 1 })) })
  t.strictSame({ ...ws.asyncapi(), servers: null }, { ...untouched.app.ws.asyncapi(), servers: null })
})

t.test('two versions of an app understand each other as far as their contracts agree', async (t) => {
  const { port } = await RedisServer.start(t)
  const prefix = randomUUID()
  const version = (fields: object, data: object) => start(t, {
    engine: redis({ host: '127.0.0.1', port }, { prefix }),
    contract: { messages: { 'chat.message': Type.Object(fields as never) }, calls: { 'chat.send': { data: Type.Object(data as never) } } }
  }, (app) => { app.ws.handle('chat.send', {} as HandlerOptions<object>, (message) => message) })
  const older = await version({ text: Type.String() }, { text: Type.String() })
  const newer = await version({ text: Type.String(), color: Type.String() }, { text: Type.String(), color: Type.String() })
  const [onOlder, onNewer] = [await older.connect('alice'), await newer.connect('alice')]
  await newer.app.ws.sendToUser('alice', { type: 'chat.message', text: 'hello', color: 'red' })
  for (const client of [onOlder, onNewer]) t.match(await client.next('chat.message'), { text: 'hello', color: 'red' }, 'the sending node checks a message')
  await older.app.ws.sendToUser('alice', { type: 'chat.message', text: 'hello' })
  for (const client of [onOlder, onNewer]) t.equal((await client.next('chat.message')).color, undefined)
  t.strictSame(Object.keys((await onOlder.request({ type: 'chat.send', text: 'hello', color: 'red' })).data).sort(), ['id', 'text', 'type'], 'a field more is removed')
  t.match(await onNewer.request({ type: 'chat.send', text: 'hello' }), { code: 'invalid_message', details: [{ path: '/color' }] }, 'a field less is refused')
})
