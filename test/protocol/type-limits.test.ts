import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { RateBudgets } from '../../lib/socket/rate-budgets.js'
import { Rate } from '../../lib/socket/rate.js'
import { TypeLimits } from '../../lib/protocol/type-limits.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { FakeClock } from '../fixtures/fake-clock.js'

const limits = { messagesPerSecond: 20, burst: 100, bytesPerSecond: 262_144, burstBytes: 1_048_576, joinsPerSecond: 0, joinsBurst: 1 }
const schema = Type.Object({})

t.test('a client that sends 40 cursors a second for a minute gets as many through as their type may, and all of its other frames', (t) => {
  const rateBudgets = new RateBudgets(limits)
  const alice = rateBudgets.of('alice')
  const rate = new Rate(10, 10)
  let accepted = 0
  for (let now = 0; now < 60_000; now += 25) {
    t.equal(rateBudgets.take(alice, 60, now), null)
    if (rateBudgets.takeOfType(alice, 'cursor.moved', rate, now) === 0) accepted++
    if (now % 100 === 0) t.equal(rateBudgets.take(alice, 60, now), null, 'a frame of another type')
  }
  t.ok(accepted >= 608 && accepted <= 610, `${accepted} of 2400`)
  rateBudgets.close()
  t.end()
})

t.test('a type may have a higher limit than all other frames together', (t) => {
  const rateBudgets = new RateBudgets({ ...limits, messagesPerSecond: 1, burst: 1 })
  const alice = rateBudgets.of('alice')
  const rate = new Rate(1_000, 50)
  for (let i = 0; i < 50; i++) {
    t.equal(rateBudgets.take(alice, 1, 0), null)
    t.equal(rateBudgets.takeOfType(alice, 'cursor.moved', rate, 0), 0)
  }
  t.equal(rateBudgets.take(alice, 1, 0), null)
  t.equal(rateBudgets.takeOfType(alice, 'cursor.moved', rate, 0), 1, 'milliseconds until the next')
  rateBudgets.close()
  t.end()
})

t.test('tiny messages that are refused end in a debt of bytes', (t) => {
  const rateBudgets = new RateBudgets({ ...limits, bytesPerSecond: 1_000, burstBytes: 2_560 })
  const alice = rateBudgets.of('alice')
  const rate = new Rate(1, 1)
  const outcomes = Array.from({ length: 12 }, () => rateBudgets.take(alice, 0, 0) ?? rateBudgets.takeOfType(alice, 'cursor.moved', rate, 0))
  t.strictSame(outcomes, [0, ...Array(10).fill(1_000), 'bytes'])
  rateBudgets.close()
  t.end()
})

t.test('a user who exceeded the limit of a type is not forgotten', (t) => {
  const clock = new FakeClock(t)
  const rateBudgets = new RateBudgets(limits)
  const alice = rateBudgets.of('alice')
  const rate = new Rate(0.1, 1)
  t.equal(rateBudgets.takeOfType(alice, 'export.start', rate, performance.now()), 0)
  clock.advance(5_000)
  t.notOk(alice.isForgotten)
  t.equal(rateBudgets.takeOfType(alice, 'export.start', rate, performance.now()), 5_000)
  clock.advance(5_000)
  t.ok(alice.isForgotten)
  rateBudgets.close()
  t.end()
})

t.test('the last matching pattern of limits.types counts, and a handler\'s own limit overrides it', (t) => {
  const limit = (burst: number) => ({ messagesPerSecond: 0.001, burst })
  const types = new TypeLimits({ '*': limit(1), 'cursor.*': limit(2), 'cursor.moved': limit(3) })
  const burstOf = (type: string, own?: { messagesPerSecond: number, burst: number }) => {
    const rate = types.of(type, own)!
    let burst = 0
    for (let dueAt = 0; rate.waitMs(dueAt, 0) <= 0; dueAt = rate.charge(dueAt, 0, 1)) burst++
    return burst
  }
  t.strictSame(['ping', 'cursor.gone', 'cursor.moved'].map((type) => burstOf(type)), [1, 2, 3])
  t.equal(burstOf('cursor.moved', limit(4)), 4)
  t.equal(new TypeLimits({ 'cursor.*': limit(1) }).of('chat.send'), null)
  for (const pattern of ['', 'a**b']) t.throws(() => new TypeLimits({ [pattern]: limit(1) }), { code: 'WSM_ERR_INVALID_OPTION', message: /"limits.types" has a bad pattern/ })
  t.end()
})

/** A server on which neither errors nor refused frames are forgiven, besides those of a type. */
function start (t: Test, types: NonNullable<NonNullable<WsPluginOptions['limits']>['types']> = {}) {
  return startApp(t, { limits: { messagesPerSecond: 1, burst: 20, maxErrorsPerMinute: 1, maxRateLimitedPerMinute: 1, types }, authorizeSend: () => true }, {
    after: ({ ws }) => {
      ws.handle('cursor.moved', { schema, limits: { messagesPerSecond: 0.01, burst: 5 }, rest: true }, () => 'moved')
      ws.handle('chat.send', { schema }, () => 'sent')
    }
  })
}

t.test('a flood of one type is refused, and neither closes the socket nor costs its other messages', async (t) => {
  const server = await start(t)
  const client = await server.connect('alice')
  for (let i = 0; i < 200; i++) client.send({ type: 'cursor.moved', id: i })
  t.match(await client.request({ type: 'chat.send' }), { type: 'reply', data: 'sent' })
  const refused = client.received.filter(({ type }) => type === 'error')
  t.equal(refused.length, 195)
  t.match(refused[0], { id: 5, code: 'rate_limited', details: { retry_after_ms: Number, type: 'cursor.moved' } })
  t.ok(refused[0]!.details.retry_after_ms > 90_000)
  t.match(server.app.ws.getStatus().rejected, { type_messages: 195, messages: 0, errors: 0, rate_limited: 0 })
  const other = await server.connect('alice')
  t.match(await other.request({ type: 'cursor.moved' }), { code: 'rate_limited' }, 'all sockets of a user share it')
  t.match(await (await server.connect('bob')).request({ type: 'cursor.moved' }), { data: 'moved' })
})

t.test('walker frames and REST calls share the limit of a type', async (t) => {
  const server = await start(t)
  const client = await server.connect('alice')
  const walk = () => client.request({ type: 'walker', walker: 'cursor.moved' })
  for (let i = 0; i < 2; i++) t.match(await walk(), { data: 'moved' })
  for (let i = 0; i < 3; i++) t.match(await server.rest('POST', '/ws/call/cursor.moved', { as: 'alice', body: {} }), { status: 200 })
  for (let i = 0; i < 5; i++) t.match(await walk(), { code: 'rate_limited', details: { type: 'cursor.moved' } })
  const { status, headers, body } = await server.rest('POST', '/ws/call/cursor.moved', { as: 'alice', body: {} })
  t.match({ status, body }, { status: 429, body: { code: 'WSM_ERR_RATE_LIMITED', details: { type: 'cursor.moved' } } })
  t.ok(Number(headers.get('retry-after')) > 90)
  t.equal(server.app.ws.getStatus().rejected.type_messages, 6)
  t.match(await client.request({ type: 'walker', walker: 'chat.send' }), { data: 'sent' }, 'a name without a limit')
  await client.request({ type: 'walker', walker: 'no.such' })
  t.equal((await client.closed).code, 1008, 'which is an error')
})

t.test('limits.types also limits frames of the protocol', async (t) => {
  const server = await start(t, { user: { messagesPerSecond: 0.01, burst: 1 } })
  const client = await server.connect('alice')
  const send = () => client.request({ type: 'user', user_ids: ['bob'], data: {} })
  t.match(await send(), { type: 'reply' })
  for (let i = 0; i < 3; i++) t.match(await send(), { code: 'rate_limited', details: { type: 'user' } })
  t.match(await client.request({ type: 'ping' }), { type: 'reply' })
})

t.test('invalid limits of a handler are refused by name', async (t) => {
  const server = await startApp(t)
  for (const [bad, name] of [[{ messagesPerSecond: 0, burst: 1 }, 'limits.messagesPerSecond'], [{ messagesPerSecond: 1 }, 'limits.burst'], [7, 'limits']] as const) {
    t.throws(() => server.app.ws.handle('chat.send', { schema, limits: bad as never }, () => {}), { code: 'WSM_ERR_INVALID_ARGUMENT', message: `ws.handle(): options.${name}: Expected ` })
  }
  await t.rejects(startApp(t, { limits: { types: { ping: { messagesPerSecond: 1 } as never } } }), { code: 'WSM_ERR_INVALID_OPTION', message: /limits.types.ping.burst/ })
})
