import { Type, type TSchema } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { redis } from '../../lib/engine/redis/redis.js'
import type { EngineFactory, WsManager } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { RedisServer } from '../fixtures/redis.js'

const server = await RedisServer.start(t)
const engines: Array<[string, () => EngineFactory | undefined]> = [
  ['memory', () => undefined],
  ['Redis', () => redis({ host: '127.0.0.1', port: server.port }, { prefix: 'channel-handlers' })]
]

const said = Type.Object({ text: Type.String() })

/** `chat.say` in rooms, told to everybody in the room. */
function addChat (ws: WsManager): void {
  ws.handle('chat.say', { schema: said, channel: 'room-*' }, async ({ text }, { channel, user }) => {
    await ws.sendToChannel(channel satisfies string, { type: 'chat.said', text, by: user!.id })
    return { channel }
  })
}

for (const [name, engineOf] of engines) {
  t.test(`${name}: a member's message gets through to the handler of its channel, and that of others does not`, async (t) => {
    const engine = engineOf()
    const nodes = [await start(t, engine), engine === undefined ? null : await start(t, engine)] as const
    const alice = await nodes[0].connect('alice')
    const bob = await (nodes[1] ?? nodes[0]).connect('bob', { path: '/ws?channel_id=room-1' })
    await alice.request({ type: 'subscribe', channel_ids: ['room-1', 'hall'] })
    t.match(await alice.request({ type: 'chat.say', channel: 'room-1', text: 'hi' }), { type: 'reply', data: { channel: 'room-1' } })
    t.match(await bob.next('chat.said'), { text: 'hi', by: 'alice' })
    t.match(await bob.request({ type: 'chat.say', channel: 'room-1', text: 'hello' }), { type: 'reply' })
    t.match(await bob.request({ type: 'chat.say', channel: 'room-2', text: 'hi' }), { type: 'error', code: 'forbidden', message: /room-2/ })
    for (const channel of ['hall', 'room', '', 7, null, undefined]) {
      t.match(await alice.request({ type: 'chat.say', channel, text: 'hi' }), { type: 'error', code: 'invalid_message', details: [{ path: '/channel' }] }, String(channel))
    }
    await alice.request({ type: 'unsubscribe', channel_ids: ['room-1'] })
    t.match(await alice.request({ type: 'chat.say', channel: 'room-1', text: 'hi' }), { code: 'forbidden' })
    t.match(await bob.next('chat.said'), { text: 'hello', by: 'bob' })
    await bob.settled()
    t.equal(bob.count('chat.said'), 2)
  })

  t.test(`${name}: a socket that leaves while its message waits is refused`, async (t) => {
    const gate = new Gate()
    let handled = 0
    const server = await startApp(t, { engine: engineOf(), authorizeSubscribe: () => true }, {
      after: ({ ws }) => ws.handle('chat.slow', { schema: said, channel: 'room-*', authorize: () => gate.wait().then(() => true) }, () => { handled++ })
    })
    const client = await server.connect('alice')
    await client.request({ type: 'subscribe', channel_ids: ['room-1'] })
    client.send({ type: 'chat.slow', channel: 'room-1', text: 'hi', id: 'asked' })
    await gate.reached
    await client.request({ type: 'unsubscribe', channel_ids: ['room-1'] })
    gate.open()
    t.match(await client.next(({ id }) => id === 'asked'), { type: 'error', code: 'forbidden' })
    await client.request({ type: 'subscribe', channel_ids: ['room-1'] })
    client.send({ type: 'unsubscribe', channel_ids: ['room-1'] })
    t.match(await client.request({ type: 'chat.slow', channel: 'room-1', text: 'hi' }), { code: 'forbidden' }, 'behind unsubscribe')
    client.send({ type: 'subscribe', channel_ids: ['room-1'] })
    t.match(await client.request({ type: 'chat.slow', channel: 'room-1', text: 'hi' }), { type: 'reply' }, 'behind subscribe')
    t.equal(handled, 1)
  })
}

function start (t: Test, engine: EngineFactory | undefined) {
  return startApp(t, { engine, authorizeSubscribe: () => true }, { after: ({ ws }) => addChat(ws) })
}

t.test('a channel handler refuses a socket whose subscribe is still under way', async (t) => {
  const gate = new Gate()
  const gated: EngineFactory = async (context) => {
    const engine = new MemoryEngine({ ...context, positionTtlMs: 60_000 })
    const subscribe = engine.subscribe.bind(engine)
    engine.subscribe = async (topic) => {
      if (topic === 'channel:room-1') await gate.wait()
      return subscribe(topic)
    }
    return engine
  }
  const server = await start(t, gated)
  const client = await server.connect('alice')
  const joined = server.app.ws.join(client.id, 'room-1')
  await gate.reached
  t.match(await client.request({ type: 'chat.say', channel: 'room-1', text: 'hi' }), { code: 'forbidden' })
  gate.open()
  await joined
  t.match(await client.request({ type: 'chat.say', channel: 'room-1', text: 'hi' }), { type: 'reply' })
})

t.test('a channel message is not handled where its socket switched users while it was authorised', async (t) => {
  const gate = new Gate()
  let handled = 0
  const server = await startApp(t, { authorizeSubscribe: () => true }, {
    after: ({ ws }) => ws.handle('chat.slow', { schema: said, channel: 'room-*', authorize: () => gate.wait().then(() => true) }, () => { handled++ })
  })
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['room-1'] })
  client.send({ type: 'chat.slow', channel: 'room-1', text: 'hi', id: 'asked' })
  await gate.reached
  await client.request({ type: 'auth', token: server.token('bob') })
  t.match(await client.next(({ id }) => id === 'asked'), { code: 'identity_changed' })
  const failed = new Promise((resolve) => server.app.ws.on('message_failed', ({ error }) => resolve(error)))
  gate.open()
  t.match(await failed, { code: 'WSM_ERR_IDENTITY_CHANGED' })
  t.equal(handled, 0)
})

t.test('a walker frame reaches a channel handler with the same membership check', async (t) => {
  const server = await start(t, undefined)
  const client = await server.connect('alice', { path: '/ws?channel_id=room-1' })
  const walk = (channel: string) => client.request({ type: 'walker', walker: 'chat.say', context: { channel, text: 'hi' } })
  t.match(await walk('room-1'), { type: 'reply', data: { channel: 'room-1' } })
  t.match(await walk('room-2'), { type: 'error', code: 'forbidden' })
})

t.test('a channel handler\'s schema of any kind need not name the channel, which is a string for the handler', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const { ws } = server.app
  const closed = { additionalProperties: false }
  const schemas: Record<string, TSchema> = {
    object: Type.Object({ n: Type.Number() }, closed),
    union: Type.Union([Type.Object({ n: Type.Number() }, closed), Type.Object({ text: Type.String() }, closed)]),
    record: Type.Record(Type.String(), Type.Unknown()),
    intersection: Type.Intersect([Type.Object({ n: Type.Number() }), Type.Object({})]),
    named: Type.Object({ n: Type.Number(), channel: Type.Optional(Type.String()) })
  }
  for (const [kind, schema] of Object.entries(schemas)) {
    ws.handle(`kind.${kind}`, { schema, channel: '*' }, (message, context) => [message.channel satisfies string, context.channel satisfies string])
  }
  ws.handle('kind.none', { schema: said }, (message, context) => {
    // @ts-expect-error The schema has no such field.
    message.channel satisfies string
    return context.channel satisfies null
  })
  const client = await server.connect('alice', { path: '/ws?channel_id=room' })
  for (const kind of Object.keys(schemas)) {
    t.strictSame((await client.request({ type: `kind.${kind}`, n: 1, channel: 'room' })).data, ['room', 'room'], kind)
    t.match(await client.request({ type: `kind.${kind}`, n: 1 }), { code: 'invalid_message' }, kind)
  }
  t.equal((await client.request({ type: 'kind.none', text: 'x', channel: 'room' })).data, null)
})

t.test('a channel handler with a bad pattern, or with rest, is refused at registration', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  for (const channel of ['', 'a**b', 'x'.repeat(201)]) {
    t.throws(() => ws.handle('chat.say', { schema: said, channel: channel as string }, () => {}), { code: 'WSM_ERR_INVALID_HANDLER', message: /"chat.say".*pattern/ }, String(channel))
  }
  for (const channel of [7, null, ['room'], Symbol('x')]) {
    t.throws(() => ws.handle('chat.say', { schema: said, channel: channel as never }, () => {}), { code: 'WSM_ERR_INVALID_ARGUMENT', message: 'ws.handle(): options.channel: Expected string' }, String(channel))
  }
  t.throws(() => ws.handle('chat.say', { schema: said, channel: 'room', rest: true }, () => {}), { code: 'WSM_ERR_INVALID_HANDLER', message: /REST/ })
})
