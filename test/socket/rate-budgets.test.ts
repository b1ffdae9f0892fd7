import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Rate } from '../../lib/socket/rate.js'
import { RateBudgets } from '../../lib/socket/rate-budgets.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import type { Frame, TestClient } from '../fixtures/client.js'
import { FakeClock } from '../fixtures/fake-clock.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'

const limits = { messagesPerSecond: 10, burst: 10, bytesPerSecond: 1_000, burstBytes: 2_000, joinsPerSecond: 1, joinsBurst: 10 }

t.test('a rate budget is dropped once its user is no longer in debt, and kept until then', (t: Test) => {
  const clock = new FakeClock(t)
  const rateBudgets = new RateBudgets(limits)
  const alice = rateBudgets.of('alice')
  t.equal(rateBudgets.of('alice'), alice)
  const bob = rateBudgets.of('bob')
  t.equal(rateBudgets.take(alice, 100, performance.now()), null)
  t.equal(rateBudgets.takeJoins(bob, 10, performance.now()), 0)
  t.equal(clock.timerCount, 1, 'one timer for all')
  clock.advance(5_000)
  t.strictSame([alice.isForgotten, bob.isForgotten, rateBudgets.size], [true, false, 1])
  t.not(rateBudgets.of('alice'), alice)
  t.equal(rateBudgets.of('bob'), bob)
  clock.advance(10_000)
  t.equal(rateBudgets.size, 0)
  t.equal(clock.timerCount, 0, 'and none without users')
  rateBudgets.of('carol')
  t.equal(clock.timerCount, 1)
  rateBudgets.close()
  rateBudgets.of('dave')
  t.equal(clock.timerCount, 0, 'nor after the end')
  t.end()
})

t.test('over 100 000 users the oldest rate budget is evicted', (t) => {
  const rateBudgets = new RateBudgets(limits)
  const first = rateBudgets.of('first')
  for (let i = 0; i < 100_000; i++) rateBudgets.of(`user-${i}`)
  t.strictSame([first.isForgotten, rateBudgets.size], [true, 100_000])
  rateBudgets.close()
  t.end()
})

t.test('whatever is due in less than a millisecond is refused, and the wait rounded up', (t) => {
  const rateBudgets = new RateBudgets(limits)
  const alice = rateBudgets.of('alice')
  t.equal(rateBudgets.takeJoins(alice, 10, 0), 0)
  t.equal(rateBudgets.takeJoins(alice, 1, 999.5), 1)
  t.equal(rateBudgets.takeJoins(alice, 1, 1_000), 0)
  const rate = new Rate(1, 1)
  t.equal(rateBudgets.takeOfType(alice, 'cursor.moved', rate, 0), 0)
  t.equal(rateBudgets.takeOfType(alice, 'cursor.moved', rate, 999.5), 1)
  t.equal(rateBudgets.takeOfType(alice, 'cursor.moved', rate, 1_000), 0)
  rateBudgets.close()
  t.end()
})

t.test('frames, bytes and joins are charged to separate rates', (t) => {
  const rateBudgets = new RateBudgets(limits)
  const alice = rateBudgets.of('alice')
  t.equal(rateBudgets.take(alice, 5_000, 0), null, 'larger than the burst')
  t.equal(rateBudgets.take(alice, 1, 0), 'bytes')
  t.equal(rateBudgets.waitMs(alice, 0), 3_001)
  t.equal(rateBudgets.take(alice, 1, 3_001), null)
  rateBudgets.chargeBytes(alice, 4_000, 10_000)
  t.equal(rateBudgets.take(alice, 1, 10_000), 'bytes')
  for (let i = 0; i < 10; i++) t.equal(rateBudgets.take(alice, 0, 20_000), null)
  t.equal(rateBudgets.take(alice, 0, 20_000), 'messages')
  t.equal(rateBudgets.waitMs(alice, 20_000), 100)
  t.equal(rateBudgets.takeJoins(alice, 100, 0), 0)
  t.equal(rateBudgets.takeJoins(alice, 1, 0), 91_000)
  t.equal(rateBudgets.takeJoins(alice, 1, 91_000), 0)
  rateBudgets.close()
  t.end()
})

t.test('a frame over messagesPerSecond gets a rate_limited error with its id, and is not handled', async (t) => {
  const server = await startApp(t, { limits: { messagesPerSecond: 1, burst: 3 } })
  const client = await server.connect('alice')
  const other = await server.connect('bob')
  for (let i = 0; i < 3; i++) t.match(await client.request({ type: 'ping' }), { type: 'reply' })
  const answer = await client.request({ type: 'ping' })
  t.match(answer, { type: 'error', code: 'rate_limited', details: { retry_after_ms: Number } })
  t.ok(answer.details.retry_after_ms > 0 && answer.details.retry_after_ms <= 1_000)
  await setTimeout(answer.details.retry_after_ms + 5)
  t.match(await client.request({ type: 'ping' }), { type: 'reply' }, 'after the wait it goes on')
  t.match(await other.request({ type: 'ping' }), { type: 'reply' }, 'another user has their own')
  t.equal(server.app.ws.getStatus().rejected.messages, 1)
})

t.test('frames over messagesPerSecond do not close the socket, which is served again after the wait', async (t) => {
  const server = await startApp(t, { limits: { messagesPerSecond: 20, burst: 5, maxErrorsPerMinute: 1 } })
  const client = await server.connect('alice')
  for (let i = 0; i < 200; i++) client.send({ type: 'ping', id: i })
  const last = await client.next(({ id }) => id === 199)
  t.match(last, { type: 'error', code: 'rate_limited' })
  await setTimeout(last.details.retry_after_ms + 5)
  t.match(await client.request({ type: 'ping' }), { type: 'reply' })
})

t.test('a socket that exceeds limits.maxRateLimitedPerMinute is closed with 1013, and may reconnect', async (t) => {
  const server = await startApp(t, { limits: { messagesPerSecond: 1, burst: 5, maxErrorsPerMinute: 1, maxRateLimitedPerMinute: 30 } })
  const client = await server.connect('alice')
  for (let i = 0; i < 100; i++) client.send({ type: 'ping', id: i })
  t.match(await client.closed, { code: 1013, reason: 'Too many frames for too long' })
  t.equal(client.count('error'), 30)
  t.match(server.app.ws.getStatus().rejected, { messages: 30, rate_limited: 1, errors: 0 })
  const again = await server.connect('alice')
  t.match(await again.request({ type: 'ping' }), { code: 'rate_limited' }, 'still in debt')
})

for (const kind of ['ping', 'pong'] as const) {
  t.test(`WebSocket ${kind}s count as frames`, async (t) => {
    const server = await startApp(t, { limits: { messagesPerSecond: 1, burst: 5, maxRateLimitedPerMinute: 3 } })
    const client = await RawClient.open(t, server, 'alice')
    for (let i = 0; i < 100; i++) client.socket.write(maskedFrame(opcodes[kind], 'x'))
    t.equal(await client.closeCode(), 1013)
    t.match(server.app.ws.getStatus().rejected, { messages: 3, rate_limited: 1 })
  })
}

/** A server on which a user may send two frames of 1000 bytes. */
const startSmall = (t: Test, options: WsPluginOptions = {}) => startApp(t, { limits: { bytesPerSecond: 1, burstBytes: 2_000 }, ...options })

let lastId = 0

/** Sends a ping of so many bytes. */
async function ping (client: TestClient, bytes = 1_000): Promise<Frame> {
  const id = `ping-${++lastId}`
  client.socket.send(JSON.stringify({ type: 'ping', id }).padEnd(bytes))
  return client.next((answer) => answer.id === id)
}

t.test('all sockets of a user share one budget of bytes', async (t) => {
  const server = await startSmall(t)
  const clients = [await server.connect('alice'), await server.connect('alice')] as const
  for (const client of clients) t.match(await ping(client), { type: 'reply' })
  for (const client of clients) {
    const answer = await ping(client)
    t.match(answer, { type: 'error', code: 'rate_limited', details: { retry_after_ms: Number } })
    t.ok(answer.details.retry_after_ms > 0)
  }
  t.match(await ping(await server.connect('bob')), { type: 'reply' }, 'another user has their own')
  t.match(server.app.ws.getStatus().rejected, { bytes: 2, messages: 0 })
})

t.test('a rate-limited frame is answered with its id where that is within the first 4096 bytes', async (t) => {
  const server = await startSmall(t)
  const client = await server.connect('alice')
  t.match(await ping(client, 4_000), { type: 'reply' })
  const fill = 'ä'.repeat(2_050)
  client.send({ id: 'early', type: 'ping', fill })
  client.send({ type: 'ping', fill, id: 'late' })
  t.match(await client.next('error'), { code: 'rate_limited', id: 'early' })
  t.notHas(await client.next('error'), { id: String })
})

t.test('a frame larger than burstBytes is accepted, and later frames wait for it', async (t) => {
  const server = await startSmall(t)
  const client = await server.connect('alice')
  t.match(await ping(client, 10_000), { type: 'reply' })
  t.match(await client.request({ type: 'ping' }), { code: 'rate_limited' })
})

t.test('a user who reconnects is still in debt', async (t) => {
  const server = await startSmall(t)
  const client = await server.connect('alice')
  for (let i = 0; i < 2; i++) await ping(client)
  const ended = new Promise<void>((resolve) => server.app.ws.on('client_disconnected', () => resolve()))
  await client.close()
  await ended
  t.match(await (await server.connect('alice')).request({ type: 'ping' }), { code: 'rate_limited' })
})

t.test('an anonymous socket has a rate budget of its own, and a switched socket is charged to the new user', async (t) => {
  const server = await startSmall(t, { auth: { anonymous: true } })
  const [one, other] = [await server.connect('', { token: null }), await server.connect('', { token: null })]
  const auth = (userId: string) => ({ type: 'auth', token: server.token(userId) })
  for (let i = 0; i < 2; i++) await ping(one)
  t.match(await ping(one), { code: 'rate_limited' })
  t.match(await ping(other), { type: 'reply' })
  await other.request(auth('alice'))
  for (let i = 0; i < 2; i++) t.match(await ping(other), { type: 'reply' })
  t.match(await ping(await server.connect('alice')), { code: 'rate_limited' })
})

t.test('a socket that becomes anonymous again gets no new rate budget', async (t) => {
  const server = await startSmall(t, { auth: { anonymous: true } })
  const client = await server.connect('', { token: null })
  await ping(client)
  await client.request({ type: 'auth', token: server.token('alice') })
  await client.request({ type: 'auth' })
  await ping(client)
  t.match(await ping(client), { code: 'rate_limited' })
})

t.test('a frame to several recipients is charged its bytes once for each', async (t) => {
  for (const [type, field] of [['user', 'user_ids'], ['channel', 'channel_ids'], ['client', 'client_ids']] as const) {
    const server = await startApp(t, { limits: { bytesPerSecond: 100, burstBytes: 2_000 }, authorizeSend: () => true })
    const client = await server.connect('alice')
    const send = (count: number) => client.request({ type, [field]: Array.from({ length: count }, (_, i) => `x-${i}`), data: { text: 'x'.repeat(500) } })
    t.match(await send(1), { type: 'reply' })
    t.match(await send(10), { type: 'reply' }, type)
    const answer = await client.request({ type: 'ping' })
    t.match(answer, { code: 'rate_limited' })
    t.ok(answer.details.retry_after_ms > 30_000, `${answer.details.retry_after_ms} ms`)
  }
})

t.test('each joined channel is charged to its user', async (t) => {
  const server = await startApp(t, { limits: { joinsPerSecond: 1, joinsBurst: 10, maxErrorsPerMinute: 1 }, authorizeSubscribe: (_user, channel) => channel !== 'secret' })
  const [client, other] = [await server.connect('alice'), await server.connect('alice')]
  const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`)
  t.match(await client.request({ type: 'subscribe', channel_ids: names('a', 6) }), { type: 'reply' })
  t.match(await other.request({ type: 'subscribe', channel_ids: names('b', 6) }), { type: 'reply' })
  const refused = await client.request({ type: 'subscribe', channel_ids: ['c'] })
  t.match(refused, { type: 'error', code: 'rate_limited', details: { retry_after_ms: Number } })
  t.match(await client.request({ type: 'subscribe', channel_ids: ['secret'] }), { code: 'rate_limited' }, 'also those that would be refused')
  for (let i = 0; i < 20; i++) t.match(await client.request({ type: 'subscribe', channel_ids: names('a', 6) }), { type: 'reply' }, 'what it is in costs nothing')
  t.match(await client.request({ type: 'subscribe', user_id: 'alice' }), { type: 'reply' })
  const { epoch, offset } = client.received.find(({ channel }) => channel === 'a-0')!
  t.match(await client.request({ type: 'subscribe', channel_ids: ['a-0'], recover: { 'a-0': { epoch, offset } } }), { code: 'rate_limited' }, 'except for its history')
  await server.app.ws.join(client.id, 'by-the-app')
  t.match(await (await server.connect('bob')).request({ type: 'subscribe', channel_ids: names('a', 6) }), { type: 'reply' })
  t.match(server.app.ws.getStatus().rejected, { joins: 3, messages: 0, channels: 0 })
})
