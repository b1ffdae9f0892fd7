import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { redis } from '../../lib/engine/redis/redis.js'
import type { EngineFactory, WsManager, WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import type { Frame, TestClient } from '../fixtures/client.js'
import { RedisServer } from '../fixtures/redis.js'
import { refusal } from '../fixtures/refusal.js'

const server = await RedisServer.start(t)
let prefixes = 0

const engines: Array<[string, () => EngineFactory | undefined]> = [
  ['memory', () => undefined],
  ['Redis', () => redis({ host: '127.0.0.1', port: server.port }, { prefix: `from-start-${prefixes++}` })]
]

const START = 'start'

/** The URL of a client that has nothing of these topics. */
function asking (topics: string[], path = '/ws?'): string {
  return `${path}recover=${encodeURIComponent(JSON.stringify(Object.fromEntries(topics.map((topic) => [topic, START]))))}`
}

function numbers (client: TestClient): number[] {
  return client.received.filter(({ type }) => type === 'x.n').map(({ n }) => n)
}

/** The part of a `connection` or `subscribed` frame about a topic. */
function told (client: TestClient, topic: string) {
  const streams: Frame[] = client.received.find(({ type }) => type === 'connection')!.data.streams
  const { offset, recovered, missed } = client.received.findLast((frame) => frame.type === 'subscribed' && frame.topic === topic) ?? streams.find((stream) => stream.topic === topic)!
  return { offset, recovered, missed }
}

const toAlice = (ws: WsManager, n: number) => ws.sendToUser('alice', { type: 'x.n', n })
const toAll = (ws: WsManager, n: number) => ws.broadcast({ type: 'x.n', n })
const toRoom = (ws: WsManager, n: number, channel = 'room') => ws.sendToChannel(channel, { type: 'x.n', n })

for (const [name, engineOf] of engines) {
  const start = (t: Test, options: WsPluginOptions = {}): Promise<TestApp> =>
    startApp(t, { engine: engineOf(), authorizeSubscribe: () => true, ...options })

  t.test(`${name}: a user recovers messages sent before their first socket, by URL and by subscribe`, async (t) => {
    const server = await start(t)
    const { ws } = server.app
    for (const n of [1, 2, 3]) await toAlice(ws, n)
    await ws.sendToUser('bob', { type: 'x.n', n: -1 })
    const silent = await server.connect('alice')
    await silent.settled()
    t.strictSame(numbers(silent), [], 'it has not asked')
    const byUrl = await server.connect('alice', { path: asking(['user:alice', 'user:bob']) })
    t.strictSame(told(byUrl, 'user:alice'), { offset: 0, recovered: true, missed: 3 })
    await toAlice(ws, 4)
    while (!numbers(byUrl).includes(4)) await byUrl.next('x.n')
    t.strictSame(numbers(byUrl), [1, 2, 3, 4])
    const byFrame = await server.connect('alice')
    t.match(await byFrame.request({ type: 'subscribe', user_id: 'alice', recover: { 'user:alice': START, 'user:bob': START } }),
      { code: 'invalid_message', details: [{ path: '/recover/user:bob' }] })
    const answer = await byFrame.request({ type: 'subscribe', user_id: 'alice', recover: { 'user:alice': START } })
    t.match(answer, { type: 'reply', data: { channel_ids: [], user_id: 'alice' } })
    t.match(byFrame.received.filter(({ type }) => type === 'subscribed'), [{ topic: 'user:alice', channel: null, epoch: String, offset: 0, recovered: true, missed: 4 }])
    t.strictSame(numbers(byFrame), [1, 2, 3, 4])
  })

  t.test(`${name}: all and channels can be recovered from the start only if their rule allows it`, async (t) => {
    const server = await start(t, { history: { recoverFrom: START }, channels: { closed: { recoverFrom: 'position' } } })
    const strict = await start(t, { channels: { room: { recoverFrom: START } } })
    for (const { app: { ws } } of [server, strict]) {
      await toAll(ws, 1)
      await toRoom(ws, 2)
      await toRoom(ws, 3, 'closed')
    }
    const path = asking(['all', 'channel:room'], '/ws?channel_id=room&')
    const nothing = { recovered: false, missed: 0 }
    const one = { offset: 0, recovered: true, missed: 1 }
    const client = await server.connect('alice', { path })
    await client.settled()
    t.strictSame([told(client, 'all'), told(client, 'channel:room'), numbers(client)], [one, one, [1, 2]])
    const other = await strict.connect('alice', { path })
    await other.settled()
    t.strictSame([told(other, 'all'), told(other, 'channel:room'), numbers(other)], [{ offset: 1, ...nothing }, one, [2]])
    const third = await server.connect('alice')
    await third.request({ type: 'subscribe', channel_ids: ['closed', 'room'], recover: { closed: START, room: START, all: START } })
    t.strictSame(['channel:closed', 'channel:room', 'all'].map((topic) => told(third, topic)), [{ offset: 1, ...nothing }, one, one])
    t.strictSame(numbers(third), [1, 2])
  })

  t.test(`${name}: recovery from the start skips messages older than the since of authorizeSubscribe`, async (t) => {
    let since = 0
    const server = await start(t, { history: { recoverFrom: START }, authorizeSubscribe: () => ({ since }) })
    const { ws } = server.app
    for (const n of [1, 2]) await toRoom(ws, n)
    const now = Date.now()
    while (Date.now() <= now) await setImmediate()
    since = Date.now()
    await toRoom(ws, 3)
    const byUrl = await server.connect('alice', { path: asking(['channel:room'], '/ws?channel_id=room&') })
    await byUrl.settled()
    const byFrame = await server.connect('alice')
    await byFrame.request({ type: 'subscribe', channel_ids: ['room'], recover: { room: START } })
    for (const client of [byUrl, byFrame]) t.strictSame([told(client, 'channel:room'), numbers(client)], [{ offset: 2, recovered: true, missed: 1 }, [3]])
    const { body } = await server.rest('GET', '/ws/history?topic=channel:room', { as: 'alice' })
    t.match(body, { messages: [{ n: 3 }], complete: true, next: null })
    t.equal(body.messages.length, 1)
    since += 60_000
    const later = await server.connect('alice')
    await later.request({ type: 'subscribe', channel_ids: ['room'], recover: { room: START } })
    t.strictSame(told(later, 'channel:room'), { offset: 3, recovered: true, missed: 0 })
  })

  t.test(`${name}: recovery from the start begins at the oldest kept message, and its offset tells how many are gone`, async (t) => {
    const server = await start(t, { history: { size: 2 } })
    for (const n of [1, 2, 3, 4, 5]) await toAlice(server.app.ws, n)
    const client = await server.connect('alice', { path: asking(['user:alice']) })
    await client.settled()
    t.strictSame([told(client, 'user:alice'), numbers(client)], [{ offset: 3, recovered: true, missed: 2 }, [4, 5]])
    const off = await start(t, { history: { enabled: false } })
    await toAlice(off.app.ws, 1)
    const without = await off.connect('alice', { path: asking(['user:alice']) })
    await without.request({ type: 'subscribe', user_id: 'alice', recover: { 'user:alice': START } })
    t.match(without.received.find(({ type }) => type === 'subscribed'), { epoch: null, offset: null, recovered: false, missed: 0 })
    t.strictSame(numbers(without), [])
  })

  t.test(`${name}: recovery from the start of a channel with recover latest returns only its last message, if there is one`, async (t) => {
    const server = await start(t, { channels: { price: { recover: 'latest' } } })
    const client = await server.connect('alice')
    const ask = async () => {
      await client.request({ type: 'subscribe', channel_ids: ['price'], recover: { price: START } })
      return told(client, 'channel:price')
    }
    t.strictSame(await ask(), { offset: 0, recovered: false, missed: 0 })
    for (const n of [1, 2]) await toRoom(server.app.ws, n, 'price')
    while (!numbers(client).includes(2)) await client.next('x.n')
    t.strictSame(await ask(), { offset: 1, recovered: true, missed: 1 })
    t.strictSame(numbers(client), [1, 2, 2])
    const read = async (as: string, after = '') => {
      const { status, body } = await server.rest('GET', `/ws/history?topic=channel:price${after}`, { as })
      return [status, body.messages.map(({ n }: Frame) => n), body.position.offset, body.complete, body.next]
    }
    const { position: { epoch } } = await server.app.ws.history('channel:price')
    t.strictSame(await read('bob'), [200, [2], 2, true, null], 'by REST as by a socket, which needs no position for it')
    t.strictSame(await read('bob', `&after=0:${epoch}`), [200, [2], 2, true, null])
    t.strictSame(await read('bob', '&after=2:another'), [200, [2], 2, true, null])
    t.strictSame(await read('bob', `&after=2:${epoch}`), [200, [], 2, true, null], 'who has it gets nothing')
    t.match(await server.app.ws.history('channel:price'), { messages: [{ n: 1 }, { n: 2 }], complete: true }, 'the app reads what is kept')
  })

  t.test(`${name}: GET /ws/history of a channel with recover latest returns only what the caller may read`, async (t) => {
    const server = await start(t, { channels: { price: { recover: 'latest' } }, authorizeSubscribe: (user) => user?.id === 'bob' && { since: Date.now() + 60_000 } })
    const rest = (as: string) => server.rest('GET', '/ws/history?topic=channel:price', { as })
    t.match(await rest('bob'), { status: 200, body: { messages: [], position: { offset: 0 }, complete: true, next: null } })
    for (const n of [1, 2]) await toRoom(server.app.ws, n, 'price')
    t.strictSame((await rest('bob')).body.messages, [], 'it is older than he may read')
    t.equal((await rest('alice')).status, 403)
    t.match(await rest('admin'), { status: 200, body: { messages: [{ n: 1 }, { n: 2 }] } }, 'with permission what is kept')
  })

  t.test(`${name}: the history of a stream that is not kept is never complete`, async (t) => {
    const server = await start(t, { history: { recoverFrom: START }, channels: { tick: { history: false } } })
    await toRoom(server.app.ws, 1, 'tick')
    const now = await server.app.ws.history('channel:tick')
    t.match(now, { messages: [], complete: false })
    t.match(await server.app.ws.history('channel:tick', now.position), { messages: [], complete: false })
    t.match(await server.rest('GET', '/ws/history?topic=channel:tick', { as: 'bob' }), { status: 200, body: { messages: [], complete: false, next: null } })
  })

  t.test(`${name}: the app reads a whole history, also of messages that are each larger than what is read at once`, async (t) => {
    const { app: { ws } } = await start(t, {})
    for (const n of [1, 2, 3]) await ws.broadcast({ type: 'x.n', n, text: 'x'.repeat(70_000) })
    t.match(await ws.history('all'), { messages: [{ n: 1 }, { n: 2 }, { n: 3 }], position: { offset: 3 }, complete: true })
  })

  t.test(`${name}: the app and permitted users can read streams of every kind`, async (t) => {
    const server = await start(t, { history: { recoverFrom: 'position' }, channels: { open: { recoverFrom: START } }, authorizeSubscribe: (user, channel) => channel !== 'secret' || user?.id === 'alice' })
    const { ws } = server.app
    for (const n of [1, 2, 3]) await toAlice(ws, n)
    await toAll(ws, 4)
    for (const channel of ['open', 'room', 'secret']) await toRoom(ws, 5, channel)
    t.match(await ws.history('user:alice'), { messages: [{ n: 1 }, { n: 2 }, { n: 3 }], complete: true })
    const { position: { epoch } } = await ws.history('all')
    t.match(await ws.history('channel:open'), { messages: [{ n: 5 }] })

    const read = async (as: string, query: string) => {
      const { status, body } = await server.rest('GET', `/ws/history?topic=${query}`, { as })
      return status === 200 ? body : status
    }
    const first = await read('alice', 'user:alice&limit=2')
    t.match(first, { messages: [{ n: 1, stream: { topic: 'user:alice', offset: 1 } }, { n: 2 }], position: { offset: 2 }, complete: true, next: String })
    t.match(await read('alice', `user:alice&limit=2&after=${first.next}`), { messages: [{ n: 3 }], position: { offset: 3 }, complete: true, next: null })
    t.match(await read('alice', 'user:alice&after=2:another'), { messages: [], complete: false, next: null })
    t.equal(await read('bob', 'user:alice'), 403)
    t.match(await read('admin', 'user:alice'), { messages: [{ n: 1 }, { n: 2 }, { n: 3 }] })
    t.equal(await read('bob', 'all'), 403, 'not from the start')
    for (const topic of ['all', 'channel:room']) {
      const { body } = await server.rest('GET', `/ws/history?topic=${topic}`, { as: 'bob' })
      t.match(body, { code: 'WSM_ERR_FORBIDDEN', message: /recoverFrom.*"after"/ }, 'it says why, and what may be asked')
    }
    t.match((await server.rest('GET', '/ws/history?topic=channel:secret&after=0:x', { as: 'bob' })).body, { message: 'You may not do this: history:read' })
    t.match(await read('bob', `all&after=0:${epoch}`), { messages: [{ n: 4 }] }, 'as a socket could')
    t.match(await read('admin', 'all'), { messages: [{ n: 4 }] })
    t.match(await read('bob', 'channel:open'), { messages: [{ n: 5 }] })
    t.equal(await read('bob', 'channel:room'), 403)
    const { position } = await ws.history('channel:room')
    t.match(await read('bob', `channel:room&after=0:${position.epoch}`), { messages: [{ n: 5 }] })
    const { position: secret } = await ws.history('channel:secret')
    t.equal(await read('bob', `channel:secret&after=0:${secret.epoch}`), 403)
    t.match(await read('alice', `channel:secret&after=0:${secret.epoch}`), { messages: [{ n: 5 }] })
    t.match(await read('admin', 'channel:secret'), { messages: [{ n: 5 }] })
    for (const topic of ['room', 'task:', 'user:', 'channel:', 'constructor:x', `user:${'x'.repeat(257)}`, '%ED%A0%80', '']) t.equal(await read('admin', topic), 400, topic)
  })
}

t.test('with history.recoverFrom start all streams can be recovered from the start', async (t) => {
  const server = await startApp(t, { history: { recoverFrom: START }, authorizeSubscribe: () => { throw new Error('the database is away') } })
  await toAll(server.app.ws, 1)
  t.match(await server.rest('GET', '/ws/history?topic=all', { as: 'bob' }), { status: 200, body: { messages: [{ n: 1 }] } })
  t.match(await server.rest('GET', '/ws/history?topic=channel:room', { as: 'bob' }), { status: 503 }, 'a hook that fails denies')
})

t.test('a socket that has switched users can recover the new user\'s stream from the start', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true, firstFrame: true }, authorizeSubscribe: () => true })
  for (const n of [1, 2]) await toAlice(server.app.ws, n)
  const client = await server.connect('', { token: null, path: asking(['user:alice']) })
  t.match(await client.request({ type: 'subscribe', recover: { 'user:alice': START } }), { type: 'error', code: 'invalid_message' }, 'nobody has no such stream')
  t.match(await client.request({ type: 'subscribe', recover: { all: START } }), { type: 'reply' })
  await client.request({ type: 'auth', token: server.token('alice') })
  t.strictSame(numbers(client), [])
  await client.request({ type: 'subscribe', recover: { 'user:alice': START } })
  t.strictSame(numbers(client), [1, 2])
})

t.test('a first auth frame recovers from the start if the URL asked for it', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true } })
  await toAlice(server.app.ws, 1)
  const client = await server.dial('', { token: null, path: asking(['user:alice']) }).opened()
  await client.request({ type: 'auth', token: server.token('alice') })
  t.strictSame(numbers(client), [1])
})

t.test('a channel whose name looks like a topic is recovered as a channel', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true, history: { recoverFrom: START }, limits: { joinsPerSecond: 1, joinsBurst: 2 } })
  await toAll(server.app.ws, 1)
  await toRoom(server.app.ws, 2, 'all')
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['all'], recover: { all: START } })
  t.match(client.received.filter(({ type }) => type === 'subscribed'), [{ topic: 'channel:all', channel: 'all', recovered: true, missed: 1 }])
  t.strictSame(numbers(client), [2])
  await client.request({ type: 'subscribe', recover: { all: START } })
  t.strictSame(numbers(client), [2, 1])
  t.match(await client.request({ type: 'subscribe', recover: { all: START } }), { code: 'rate_limited' }, 'a history that is read costs a join')
})

t.test('a recover position that is another word than start is refused', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'subscribe', channel_ids: ['room'], recover: { room: 'end' } }), { code: 'invalid_message' })
  t.equal((await refusal(server.dial('alice', { path: `/ws?recover=${encodeURIComponent('{"all":"end"}')}` }))).statusCode, 400)
  for (const topic of ['room', '', 7, undefined]) {
    await t.rejects(server.app.ws.history(topic as string), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  }
})
