import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import type { Frame, TestClient } from '../fixtures/client.js'

const anyChannel: WsPluginOptions = { authorizeSubscribe: () => true }

async function start (t: Test, options: WsPluginOptions = {}): Promise<TestApp> {
  return startApp(t, { ...anyChannel, ...options })
}

/** `/ws` for a client that has these positions. */
function recovering (positions: object, path = '/ws?'): string {
  return `${path}recover=${encodeURIComponent(JSON.stringify(positions))}`
}

/** What the numbered messages say that a client got, in order. */
function numbers (client: TestClient): number[] {
  return client.received.filter(({ type }) => type === 'x.n').map(({ n }) => n)
}

/** The position that a `connection` or `subscribed` frame tells of a topic. */
function position ({ epoch, offset }: Frame | { epoch: string, offset: number }) {
  return { epoch, offset }
}

function streamsOf (client: TestClient): Record<string, { epoch: string, offset: number, recovered: boolean, missed: number }> {
  const frame = client.received.find(({ type }) => type === 'connection')!
  return Object.fromEntries(frame.data.streams.map((stream: { topic: string }) => [stream.topic, stream]))
}

async function send (count: number, publish: (message: object) => Promise<unknown>, from = 1): Promise<void> {
  for (let n = from; n < from + count; n++) await publish({ type: 'x.n', n })
}

t.test('every message of a stream carries its position', async (t) => {
  const server = await start(t)
  const { ws } = server.app
  const client = await server.connect('alice', { path: '/ws?channel_id=room' })
  await ws.broadcast({ type: 'x.all' })
  await ws.sendToUser('alice', { type: 'x.user' })
  await ws.sendToChannel('room', { type: 'x.channel' })
  await ws.sendToChannel('room', { type: 'x.channel2' })
  await ws.sendToClient(client.id, { type: 'x.client' })
  await ws.broadcast({ type: 'x.now' }, { history: false })
  const told = streamsOf(client)
  const expected: Array<[string, object | undefined]> = [
    ['x.all', { topic: 'all', epoch: told.all!.epoch, offset: 1 }],
    ['x.user', { topic: 'user:alice', epoch: told['user:alice']!.epoch, offset: 1 }],
    ['x.channel', { topic: 'channel:room', epoch: told['channel:room']!.epoch, offset: 1 }],
    ['x.channel2', { topic: 'channel:room', epoch: told['channel:room']!.epoch, offset: 2 }],
    ['x.client', undefined],
    ['x.now', { topic: 'all' }]
  ]
  for (const [type, stream] of expected) t.strictSame(client.streamOf(await client.next(type)), stream, type)
})

t.test('a client that was away recovers all of its streams in order and without duplicates before new messages', async (t) => {
  const server = await start(t)
  const { ws } = server.app
  const before = await server.connect('alice', { path: '/ws?channel_id=room' })
  const positions = streamsOf(before)
  await before.close()
  for (let n = 0; n < 30; n += 3) {
    await ws.broadcast({ type: 'x.n', n })
    await ws.sendToUser('alice', { type: 'x.n', n: n + 1 })
    await ws.sendToChannel('room', { type: 'x.n', n: n + 2 })
    await ws.sendToUser('bob', { type: 'x.n', n: -1 })
    await ws.broadcast({ type: 'x.n', n: -2 }, { history: false })
  }
  const given = Object.fromEntries(Object.entries(positions).map(([topic, stream]) => [topic, position(stream)]))
  const after = await server.connect('alice', { path: recovering({ ...given, 'user:bob': { epoch: 'x', offset: 0 } }, '/ws?channel_id=room&') })
  await send(5, (message) => ws.broadcast(message), 100)
  await after.settled()
  const got = numbers(after)
  for (let topic = 0; topic < 3; topic++) t.strictSame(got.filter((n) => n % 3 === topic && n < 30), Array.from({ length: 10 }, (_, i) => i * 3 + topic))
  t.strictSame(got.filter((n) => n % 3 === 0 || n >= 100).slice(0, 15), [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 100, 101, 102, 103, 104])
  t.equal(got.length, 35)
  for (const topic of ['all', 'user:alice', 'channel:room']) {
    t.match(streamsOf(after)[topic], { ...given[topic], recovered: true, missed: 10 })
  }
  t.equal(after.received[0]!.type, 'connection')
})

t.test('a subscribe frame recovers a channel from the position given before its first message', async (t) => {
  const server = await start(t)
  const { ws } = server.app
  const before = await server.connect('alice')
  await before.request({ type: 'subscribe', channel_ids: ['a', 'b'] })
  const told = before.received.filter(({ type }) => type === 'subscribed')
  await before.close()
  await send(3, (message) => ws.sendToChannel('a', message))
  const after = await server.connect('alice')
  await after.request({ type: 'subscribe', channel_ids: ['a', 'b', 'a'], recover: { a: position(told[0]!), b: position(told[1]!) } })
  const types = after.received.slice(1).map(({ type, channel, recovered, missed, n }) => n ?? [type, channel, recovered, missed].filter((x) => x !== undefined))
  t.strictSame(types, [['subscribed', 'a', true, 3], ['subscribed', 'b', true, 0], 1, 2, 3, ['subscription_confirmed'], ['reply']])
})

t.test('a recovery that is not possible is reported with recovered false', async (t) => {
  const server = await start(t, { channels: { short: { history: { size: 3 } }, brief: { history: { ttlMs: 40 } }, none: { history: false } } })
  const { ws } = server.app
  const client = await server.connect('alice')
  const subscribe = async (channel: string, recover?: object) => {
    await client.request({ type: 'subscribe', channel_ids: [channel], ...recover === undefined ? {} : { recover: { [channel]: recover } } })
    const answer = client.received.filter((frame) => frame.type === 'subscribed' && frame.channel === channel).at(-1)!
    await client.request({ type: 'unsubscribe', channel_ids: [channel] })
    return answer
  }
  const [short, brief] = [await subscribe('short'), await subscribe('brief')]
  await send(4, (message) => ws.sendToChannel('short', message))
  const now = { epoch: short.epoch, offset: 4 }
  t.match(await subscribe('short', position(short)), { ...now, recovered: false, missed: 0 }, 'the first of four is gone')
  t.match(await subscribe('short', { ...position(short), offset: 1 }), { recovered: true, missed: 3, offset: 1 })
  t.match(await subscribe('short', { epoch: 'another', offset: 3 }), { ...now, recovered: false }, 'another epoch')
  t.match(await subscribe('short', { ...position(short), offset: 5 }), { ...now, recovered: false }, 'a position that there is not')
  t.match(await subscribe('short', now), { ...now, recovered: true, missed: 0 }, 'nothing was missed')

  await send(2, (message) => ws.sendToChannel('brief', message))
  const gone = performance.now() + 41
  while (performance.now() < gone) await new Promise((resolve) => setImmediate(resolve))
  t.match(await subscribe('brief', { ...position(brief), offset: 1 }), { recovered: false, offset: 2 }, 'an idle client does not age into a wrong yes')
  t.match(await subscribe('brief', { ...position(brief), offset: 2 }), { recovered: true, missed: 0 })

  t.match(await subscribe('none', { epoch: 'e', offset: 0 }), { epoch: null, offset: null, recovered: false, missed: 0 })
  await ws.sendToChannel('none', { type: 'x.n', n: 99 })
  await client.settled()
  t.strictSame(numbers(client), [2, 3, 4])
})

t.test('a recovery needs a fresh permission for its channel', async (t) => {
  let isOpen = true
  const server = await startApp(t, { authorizeSubscribe: () => isOpen })
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['room'] })
  const told = client.received.find(({ type }) => type === 'subscribed')!
  await client.close()
  await send(1, (message) => server.app.ws.sendToChannel('room', message))
  isOpen = false
  const again = await server.connect('alice')
  t.match(await again.request({ type: 'subscribe', channel_ids: ['room'], recover: { room: position(told) } }), { type: 'error', code: 'forbidden' })
  await t.rejects(server.dial('alice', { path: recovering({ 'channel:room': position(told) }, '/ws?channel_id=room&') }).opened(), { statusCode: 403 } as never)
  await again.settled()
  t.strictSame(numbers(again), [])
})

t.test('a malformed recover position is refused', async (t) => {
  const server = await start(t)
  for (const bad of ['', '{', '[]', '1', 'null', '{"all":1}', '{"all":{"epoch":"e"}}', '{"all":{"epoch":"e","offset":-1}}', '{"all":{"epoch":"e","offset":1.5}}',
    '{"all":{"epoch":"e","offset":1,"more":1}}', '{"a\\nb":7}']) {
    await t.rejects(server.dial('alice', { path: `/ws?recover=${encodeURIComponent(bad)}` }).opened(), { statusCode: 400, body: { details: [{ path: /^\/recover/ }] } } as never, bad)
  }
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'subscribe', channel_ids: ['a'], recover: { a: { epoch: 'e', offset: -1 } } }), { code: 'invalid_message' })
})

t.test('a long recovery is sent in pages, in order with new messages, without blocking other sockets', async (t) => {
  const server = await start(t, { history: { size: 2_000 } })
  const { ws } = server.app
  const before = await server.connect('alice')
  const { all } = streamsOf(before)
  await before.close()
  await send(1_050, (message) => ws.broadcast(message))
  const bob = await server.connect('bob')
  const after = server.dial('alice', { path: recovering({ all: position(all!) }) })
  // From its first page on, messages go on being sent, also in the turns between two pages.
  await after.next((frame) => frame.n === 1)
  let n = 1_050
  const bobs: number[] = []
  bob.socket.on('message', () => bobs.push(numbers(after).length))
  while (numbers(after).length < 1_000) {
    await ws.broadcast({ type: 'x.n', n: ++n })
    await new Promise((resolve) => setImmediate(resolve))
  }
  await ws.broadcast({ type: 'x.n', n: ++n })
  await after.settled()
  t.strictSame(numbers(after), Array.from({ length: n }, (_, i) => i + 1))
  t.ok(bobs.some((count) => count < 1_000), 'the other one heard while it was going on')
})

t.test('a recovery waits for a slow client, and does not get it cut', async (t) => {
  const server = await start(t, { limits: { maxQueueBytes: 100_000 } })
  const { ws } = server.app
  const before = await server.connect('alice')
  const { all } = streamsOf(before)
  await before.close()
  const padding = 'x'.repeat(60_000)
  for (let n = 1; n <= 250; n++) await ws.broadcast({ type: 'x.n', n, padding })
  const after = server.dial('alice', { path: recovering({ all: position(all!) }) })
  await after.next((frame) => frame.n === 1)
  after.socket.pause()
  // What fits into the kernel has gone there; the rest waits where it is.
  let last = -1
  while (numbers(after).length !== last) {
    last = numbers(after).length
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(last < 250)
  after.socket.resume()
  await after.settled()
  t.strictSame(numbers(after), Array.from({ length: 250 }, (_, i) => i + 1))
  t.equal(ws.getStatus().slow_disconnects, 0)
})

t.test('a recovery stops when its client leaves the channel or disconnects', async (t) => {
  const server = await start(t, { limits: { maxQueueBytes: 50_000 }, history: { size: 1_000 } })
  const { ws } = server.app
  const before = await server.connect('alice')
  await before.request({ type: 'subscribe', channel_ids: ['room'] })
  const told = before.received.find(({ type }) => type === 'subscribed')!
  await before.close()
  for (let n = 1; n <= 400; n++) await ws.sendToChannel('room', { type: 'x.n', n, padding: 'x'.repeat(20_000) })
  const client = await server.connect('alice')
  client.send({ type: 'subscribe', channel_ids: ['room'], recover: { room: position(told) } })
  await client.next((frame) => frame.n === 1)
  client.socket.pause()
  await ws.leave(client.id, 'room')
  client.socket.resume()
  await client.settled()
  t.ok(numbers(client).length < 400)
  t.match(await ws.sendToChannel('room', { type: 'x.n', n: 401 }), { localRecipients: 0 })
  const other = await server.connect('alice')
  other.send({ type: 'subscribe', channel_ids: ['room'], recover: { room: position(told) } })
  await other.next((frame) => frame.n === 1)
  other.socket.terminate()
  await client.settled()
})

t.test('a member that is catching up counts as a recipient, and receives messages without history at once', async (t) => {
  const server = await start(t, { history: { size: 1_000 }, limits: { maxQueueBytes: 50_000 } })
  const { ws } = server.app
  const before = await server.connect('alice')
  await before.request({ type: 'subscribe', channel_ids: ['room'] })
  const told = before.received.find(({ type }) => type === 'subscribed')!
  await before.close()
  for (let n = 1; n <= 300; n++) await ws.sendToChannel('room', { type: 'x.n', n, padding: 'x'.repeat(20_000) })
  const client = await server.connect('alice')
  client.send({ type: 'subscribe', channel_ids: ['room'], recover: { room: position(told) } })
  await client.next((frame) => frame.n === 1)
  t.match(await ws.sendToChannel('room', { type: 'x.now' }, { history: false }), { localRecipients: 1 })
  t.match(await ws.sendToChannel('room', { type: 'x.now' }, { history: false, except: [client.id] }), { localRecipients: 0 })
  t.match(await ws.sendToChannel('room', { type: 'x.n', n: 301 }, { except: [client.id] }), { localRecipients: 0 })
  t.match(await ws.sendToChannel('room', { type: 'x.n', n: 302 }), { localRecipients: 1 })
  await client.next((frame) => frame.n === 302)
  t.strictSame(numbers(client), [...Array.from({ length: 300 }, (_, i) => i + 1), 302])
  t.equal(client.count('x.now'), 1)
})

t.test('a subscriber of a channel with recover latest receives the last message unless it has that', async (t) => {
  const server = await start(t, { channels: { 'price.*': { history: { size: 1 }, recover: 'latest' } } })
  const { ws } = server.app
  const client = await server.connect('alice')
  const subscribe = async (recover?: object) => {
    await client.request({ type: 'subscribe', channel_ids: ['price.eur'], ...recover === undefined ? {} : { recover: { 'price.eur': recover } } })
    await client.request({ type: 'unsubscribe', channel_ids: ['price.eur'] })
    return client.received.filter(({ type }) => type === 'subscribed').at(-1)!
  }
  const first = await subscribe()
  t.match(first, { offset: 0, recovered: false, missed: 0 }, 'there is none yet')
  await send(3, (message) => ws.sendToChannel('price.eur', message))
  t.match(await subscribe(), { offset: 2, recovered: true, missed: 1 })
  t.match(await subscribe(position(first)), { offset: 2, recovered: true, missed: 1 }, 'and not those between')
  t.match(await subscribe({ epoch: first.epoch, offset: 3 }), { offset: 3, recovered: true, missed: 0 })
  t.match(await subscribe({ epoch: 'another', offset: 3 }), { offset: 2, recovered: true, missed: 1 })
  await client.settled()
  t.strictSame(numbers(client), [3, 3, 3])
})

t.test('subscribing again recovers nothing without a position, and all messages after it with one', async (t) => {
  const server = await start(t)
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['room'] })
  await send(3, (message) => server.app.ws.sendToChannel('room', message))
  await client.request({ type: 'subscribe', channel_ids: ['room'] })
  const answers = () => client.received.filter(({ type }) => type === 'subscribed')
  t.match(answers()[1], { offset: 3, recovered: false, missed: 0 })
  await client.request({ type: 'subscribe', channel_ids: ['room'], recover: { room: { epoch: answers()[0]!.epoch, offset: 1 } } })
  t.match(answers()[2], { offset: 1, recovered: true, missed: 2 })
  await send(1, (message) => server.app.ws.sendToChannel('room', message), 4)
  await client.settled()
  t.strictSame(numbers(client), [1, 2, 3, 2, 3, 4])
})

t.test('a socket that switches users continues in the new user\'s stream only', async (t) => {
  const server = await start(t)
  const { ws } = server.app
  const client = await server.connect('alice')
  await ws.sendToUser('bob', { type: 'x.n', n: 1 })
  const { data } = await client.request({ type: 'change_user', token: server.token('bob') })
  t.strictSame(data.streams.map(({ topic, offset }: { topic: string, offset: number }) => [topic, offset]), [['all', 0], ['user:bob', 1]])
  await ws.sendToUser('bob', { type: 'x.n', n: 2 })
  await ws.sendToUser('alice', { type: 'x.n', n: 3 })
  await client.settled()
  t.strictSame(numbers(client), [2])
})

t.test('a first auth frame recovers what the URL asked for', async (t) => {
  const server = await start(t, { auth: { firstFrame: true } })
  const before = await server.connect('alice')
  const { all } = streamsOf(before)
  await send(2, (message) => server.app.ws.broadcast(message))
  const after = await server.dial('alice', { token: null, path: recovering({ all: position(all!) }) }).opened()
  t.match(await after.request({ type: 'auth', token: server.token('alice') }), { type: 'reply' })
  t.strictSame(numbers(after), [1, 2])
})

t.test('ws.history() returns the kept messages of a stream', async (t) => {
  const server = await start(t, { history: { size: 500 } })
  const { ws } = server.app
  t.match(await ws.history('channel:room'), { messages: [], position: { offset: 0 }, complete: true })
  await send(350, (message) => ws.sendToChannel('room', message))
  const whole = await ws.history('channel:room')
  t.equal(whole.complete, true)
  t.strictSame((whole.messages as Frame[]).map(({ n }) => n), Array.from({ length: 350 }, (_, i) => i + 1))
  t.match(whole.messages[349], { type: 'x.n', stream: { topic: 'channel:room', ...whole.position } })
  const since = { ...whole.position, offset: 348 }
  t.match(await ws.history('channel:room', since), { messages: [{ n: 349 }, { n: 350 }], complete: true })
  t.match(await ws.history('channel:room', { epoch: 'another', offset: 1 }), { messages: [], position: whole.position, complete: false })
})

t.test('with history off there are no positions, and nothing is recovered', async (t) => {
  const server = await start(t, { history: { enabled: false }, channels: { kept: { history: {} } } })
  const client = await server.connect('alice')
  t.strictSame(client.received[0]!.data.streams, [])
  await client.request({ type: 'subscribe', channel_ids: ['room', 'kept'] })
  t.match(client.received.filter(({ type }) => type === 'subscribed'), [{ epoch: null, offset: null }, { epoch: String, offset: 0 }])
  await server.app.ws.broadcast({ type: 'x.y' })
  t.strictSame(client.streamOf(await client.next('x.y')), { topic: 'all' })
  await client.close()
})
