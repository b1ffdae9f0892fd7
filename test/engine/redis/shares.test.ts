import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { HistoryBounds } from '../../../lib/engine/engine.js'
import { Shares } from '../../../lib/engine/redis/shares.js'
import { KEPT as LONG_KEPT, listening, publication } from '../../fixtures/engine-suite.js'
import { FakeClock } from '../../fixtures/fake-clock.js'
import { keepingLog, nodesOf } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { until } from '../../fixtures/until.js'

const KEPT = { size: 1_000, ttlMs: 60_000 }
const BYTES = 100

/** Shares of a store that does what it is asked, in words. */
function sharesOf (t: Test, bounds: Partial<HistoryBounds> = {}) {
  const clock = new FakeClock(t)
  const calls: string[] = []
  const failures: unknown[] = []
  const store = { isAway: false, inUse: new Set<string>() }
  const logs = new Map<string, { offset: number, sender: string | undefined }[]>()
  const done = async <T>(call: string, result: () => T): Promise<T> => {
    calls.push(call)
    if (store.isAway) throw new Error('away')
    return result()
  }
  const cut = (topic: string, sender: string, through: number, keep: number) => {
    const log = logs.get(topic)!
    let messages = 0
    for (; log.length > keep && log[0]!.sender === sender && log[0]!.offset <= through; messages++) log.shift()
    return { messages, first: log[0]?.offset ?? through + 1 }
  }
  const shares = new Shares({ maxBytes: 1_000_000, maxTopics: 1_000, maxBytesPerSender: 1_000_000, maxTopicsPerSender: 1_000, ...bounds }, 120_000, {
    cut: (topic, sender, through, keep) => done(`cut ${sender} ${topic} ${through} ${keep}`, () => cut(topic, sender, through, keep)),
    clear: (topic, offset) => done(`clear ${topic} ${offset}`, () => undefined),
    forget: (topic, offset) => done(`forget ${topic} ${offset}`, () => store.inUse.has(topic) ? null : 1),
    evicted: (messages) => { calls.push(`evicted ${messages}`) },
    fail: (error) => { failures.push(error) }
  })
  t.teardown(() => shares.close())
  const offsets = new Map<string, number>()
  const publish = (topic: string, sender?: string, retention = KEPT, step = 1, bytes = BYTES) => {
    if (sender !== undefined) shares.reserve(sender, bytes)
    const offset = (offsets.get(topic) ?? 0) + step
    offsets.set(topic, offset)
    const log = logs.get(topic) ?? []
    logs.set(topic, log)
    // What other nodes have published is in front of it.
    for (let other = offset - step + 1; other < offset; other++) log.push({ offset: other, sender: 'somebody' })
    log.push({ offset, sender })
    shares.published({ topic, json: 'x'.repeat(bytes), isDroppable: false, isCompressible: false, sender }, retention, offset)
  }
  /** What was asked of the store since the last look. */
  const taken = async () => {
    await setImmediate()
    return calls.splice(0)
  }
  return { clock, store, logs, failures, shares, publish, taken }
}

const usedUp = { code: 'WSM_ERR_RATE_LIMITED', message: /share of the message history is used up/ }

t.test('a sender whose share is used up loses its oldest messages', async (t) => {
  const { publish, taken } = sharesOf(t, { maxBytesPerSender: 5 * BYTES })
  for (const topic of ['a', 'a', 'b', 'b']) publish(topic, 'mallory')
  publish('app')
  t.strictSame(await taken(), [])
  publish('b', 'mallory')
  t.strictSame(await taken(), ['cut mallory a 1 0', 'evicted 1'])
  for (let n = 0; n < 3; n++) publish('b', 'mallory')
  t.strictSame((await taken()).filter((call) => call.startsWith('cut')), ['cut mallory a 2 0', 'cut mallory b 1 0', 'cut mallory b 2 0'])
})

t.test('messages behind those of others stay, and their sender is refused until they expire', async (t) => {
  const { clock, publish, taken } = sharesOf(t, { maxBytesPerSender: 4 * BYTES })
  const brief = { size: 100, ttlMs: 10_000 }
  for (const room of ['x', 'y', 'x', 'y']) publish(room, 'mallory', brief, 2)
  t.strictSame(await taken(), ['cut mallory y 2 0', 'evicted 0'])
  for (const room of ['x', 'y', 'new']) t.throws(() => publish(room, 'mallory', brief), usedUp)
  t.strictSame(await taken(), ['cut mallory x 4 0', 'evicted 1', 'evicted 1', 'evicted 1', 'evicted 0'], 'it is not asked all the time')
  clock.advance(1_000)
  t.throws(() => publish('x', 'mallory', brief), usedUp)
  t.strictSame(await taken(), ['cut mallory x 4 0', 'evicted 1', 'evicted 0'], 'but again')
  clock.advance(9_000)
  for (let n = 0; n < 3; n++) publish('x', 'mallory', brief)
  t.strictSame(await taken(), [])
})

t.test('in a stream of several senders, a sender\'s own oldest messages go before its share is used up', async (t) => {
  const { logs, publish, taken } = sharesOf(t, { maxBytesPerSender: 100 * BYTES })
  publish('room', 'mallory')
  publish('room', 'alice')
  for (let n = 0; n < 94; n++) publish('first', 'mallory', KEPT, n === 0 ? 2 : 1)
  logs.set('first', logs.get('first')!.slice(1))
  publish('first', 'mallory')
  t.strictSame(await taken(), ['cut mallory room 1 0', 'cut mallory first 7 0', 'evicted 1', 'evicted 5'].map((call) => call.replace('first 7', 'first 6')))
  for (let n = 0; n < 5; n++) publish('first', 'mallory')
  t.strictSame(await taken(), [])
})

t.test('publications in flight count; failed ones do not', async (t) => {
  const { shares } = sharesOf(t, { maxBytesPerSender: 3 * BYTES })
  for (let n = 0; n < 3; n++) shares.reserve('mallory', BYTES)
  t.throws(() => shares.reserve('mallory', 1), usedUp)
  shares.reserve('alice', 3 * BYTES)
  shares.unreserve('mallory', BYTES)
  shares.reserve('mallory', BYTES)
  t.throws(() => shares.reserve('bob', 3 * BYTES + 1), { code: 'WSM_ERR_RATE_LIMITED', message: /larger than/ })
})

t.test('messages that expire meanwhile, or exceed the history\'s size, are not counted', async (t) => {
  const { clock, publish, taken } = sharesOf(t, { maxBytesPerSender: 4 * BYTES, maxBytes: 5 * BYTES })
  for (let n = 0; n < 20; n++) publish('short', 'alice', { size: 2, ttlMs: 1_000 })
  publish('long', 'alice')
  t.strictSame(await taken(), [])
  clock.advance(30_000)
  publish('long', 'alice')
  publish('long', 'alice')
  t.strictSame(await taken(), [])
  clock.advance(200_000)
  for (let n = 0; n < 3; n++) publish('long', 'alice')
  t.strictSame(await taken(), [])
})

t.test('the holdings of a sender still count after it has been silent for a while', async (t) => {
  const room = sharesOf(t, { maxBytesPerSender: 4 * BYTES })
  for (let n = 0; n < 3; n++) room.publish('room', 'mallory', KEPT, 2)
  room.clock.advance(30_000)
  room.publish('room', 'mallory', KEPT, 2)
  t.match(await room.taken(), [/^cut mallory room/])

  const own = sharesOf(t, { maxTopicsPerSender: 1 })
  own.publish('a', 'mallory', { size: 10, ttlMs: 1_000 })
  own.clock.advance(30_000)
  own.publish('b', 'mallory')
  t.strictSame(await own.taken(), ['forget a 1', 'evicted 1'])

  const listened = sharesOf(t, { maxTopics: 1 })
  listened.store.inUse.add('a')
  listened.publish('a', 'mallory', { size: 10, ttlMs: 1_000 })
  listened.publish('app')
  t.strictSame(await listened.taken(), ['forget a 1'])
  listened.clock.advance(30_000)
  listened.store.inUse.clear()
  listened.publish('other')
  t.strictSame(await listened.taken(), ['forget a 1', 'forget app 1'], 'that of a sender goes first')

  const { clock, shares } = sharesOf(t, { maxBytesPerSender: 4 * BYTES })
  shares.reserve('mallory', 3 * BYTES)
  clock.advance(30_000)
  t.throws(() => shares.reserve('mallory', 2 * BYTES), usedUp)
})

t.test('over all limits the messages of senders go first, then the least recently used', async (t) => {
  const { publish, taken } = sharesOf(t, { maxBytes: 10 * BYTES })
  publish('old')
  for (let n = 0; n < 2; n++) publish('hers', 'alice')
  publish('room')
  for (let n = 0; n < 4; n++) publish('room', 'mallory')
  for (let n = 0; n < 2; n++) publish('new')
  t.strictSame(await taken(), [])
  publish('new')
  t.strictSame(await taken(), ['cut mallory room 3 0'], 'that is tried, and not counted as over her share')
  for (let n = 0; n < 2; n++) publish('new')
  t.strictSame(await taken(), ['cut alice hers 2 0', 'clear old 1'])
})

t.test('messages of senders are evicted first even if the histories exceed their limit by one byte', async (t) => {
  const { publish, taken } = sharesOf(t, { maxBytes: 10 * BYTES })
  for (let n = 0; n < 3; n++) publish('room', 'mallory')
  publish('hers', 'alice')
  // 99 % of the bound is aimed at: without those of mallory it is one byte more.
  publish('app', undefined, KEPT, 1, 891)
  t.strictSame(await taken(), ['cut mallory room 3 0', 'cut alice hers 1 0'])
})

t.test('a sender that has begun too many streams loses its own oldest ones', async (t) => {
  const { store, publish, taken } = sharesOf(t, { maxTopicsPerSender: 2 })
  publish('theirs', 'mallory', KEPT, 5)
  publish('app', 'mallory')
  publish('app')
  publish('shared', 'mallory')
  publish('shared', 'alice')
  publish('elsewhere', 'mallory')
  publish('elsewhere', 'mallory', KEPT, 2)
  for (const topic of ['a', 'b', 'a', 'c']) publish(topic, 'mallory')
  t.strictSame(await taken(), ['forget b 1', 'evicted 1'])
  store.inUse.add('a')
  publish('d', 'mallory')
  t.strictSame(await taken(), ['forget a 2', 'evicted 0'], 'one in use does not count')
  publish('e', 'mallory')
  t.strictSame(await taken(), ['forget c 1', 'evicted 1'])
  publish('a', 'mallory')
  t.strictSame(await taken(), ['forget d 1', 'evicted 1'], 'it counts again when she publishes to it')
})

t.test('over all limits the streams of senders go first, starting with the largest holders', async (t) => {
  const { store, publish, taken } = sharesOf(t, { maxTopics: 4 })
  publish('app')
  publish('both', 'alice')
  publish('both', 'bob')
  publish('a', 'alice')
  for (const topic of ['m', 'n']) publish(topic, 'mallory')
  t.strictSame(await taken(), ['forget m 1', 'forget a 1'])
  store.inUse.add('both')
  for (const topic of ['x', 'y']) publish(topic)
  t.strictSame(await taken(), ['forget n 1', 'forget both 2'])
  publish('z')
  t.strictSame(await taken(), ['forget both 2', 'forget app 1'])
})

t.test('a stream of several senders goes last once the app has published to it', async (t) => {
  const { publish, taken } = sharesOf(t, { maxTopics: 3 })
  publish('old')
  publish('both', 'alice')
  publish('both', 'bob')
  publish('both')
  for (const topic of ['x', 'y']) publish(topic)
  t.match(await taken(), ['forget old 1'])
})

t.test('a store that was down is asked again at the next excess', async (t) => {
  const cases = [
    ['forget', ['a', 'b', 'c'], undefined, { maxTopics: 2 }],
    ['forget', ['a', 'b'], 'mallory', { maxTopicsPerSender: 1 }],
    ['cut', ['a', 'a', 'a'], 'mallory', { maxBytesPerSender: 2 * BYTES }],
    ['clear', ['a', 'b', 'b', 'b', 'b'], undefined, { maxBytes: 4 * BYTES }]
  ] as const
  for (const [call, topics, sender, bounds] of cases) {
    const { store, failures, publish, taken } = sharesOf(t, bounds)
    store.isAway = true
    for (let round = 0; round < 2; round++) {
      for (const topic of topics) publish(topic, sender)
      t.ok((await taken()).every((asked) => asked.startsWith(call)), call)
    }
    t.ok(failures.length > 0, call)
  }
})

t.test('a stream in use that was published to again meanwhile is counted once', async (t) => {
  const { store, publish, taken } = sharesOf(t, { maxTopics: 1 })
  store.inUse.add('a')
  publish('a')
  publish('b')
  publish('a')
  t.match(await taken(), ['forget a 1', 'forget b 1'])
  publish('c')
  t.match(await taken(), ['forget a 2'])
})

t.test('streams that can no longer be read are not counted', async (t) => {
  const { clock, publish, taken } = sharesOf(t, { maxTopics: 2 })
  for (const topic of ['a', 'b']) publish(topic, 'mallory')
  clock.advance(180_000)
  for (const topic of ['c', 'd']) publish(topic)
  t.strictSame(await taken(), [])
})

t.test('the latest message stays, whoever sent it, and an empty stream is not cleared again', async (t) => {
  const { publish, taken } = sharesOf(t, { maxBytes: 3 * BYTES })
  for (let n = 0; n < 5; n++) publish('x', 'mallory')
  const cuts = (await taken()).filter((call) => call.startsWith('cut'))
  t.ok(cuts.length > 0 && cuts.every((call) => /^cut mallory x \d+ 1$/.test(call)), cuts.join())
  for (const topic of ['a', 'b', 'c', 'd', 'e', 'f']) publish(topic)
  const cleared = (await taken()).filter((call) => call.startsWith('clear'))
  t.equal(new Set(cleared).size, cleared.length)
})

t.test('an unanswered cut in a stream of several senders is requested again', async (t) => {
  const { publish, taken, store, failures } = sharesOf(t, { maxBytesPerSender: 4 * BYTES })
  store.isAway = true
  for (const room of ['x', 'y', 'x', 'y']) publish(room, 'mallory', KEPT, 2)
  await taken()
  t.ok(failures.length > 0)
  store.isAway = false
  t.throws(() => { for (let n = 0; n < 9; n++) publish('x', 'mallory') }, usedUp)
})

t.test('a history over its limit that Redis cannot trim is logged', async (t) => {
  const server = await RedisServer.start(t)
  const { log, messages } = keepingLog()
  const { engine } = await listening(t, nodesOf(server.port, {}, log), { maxBytesPerSender: 1_000 })
  const send = (topic: string) => engine.publish({ ...publication(topic, { text: 'x'.repeat(600) }), sender: 'user:mallory' }, LONG_KEPT)
  await send('channel:a')
  const [key] = await server.admin.keys('*:log')
  await server.admin.set(key!, 'no history')
  await send('channel:b')
  await until(() => messages.includes('could not trim a history over its limit'))
  t.match(await engine.history('channel:b', null, 10), { entries: { length: 1 } }, 'what is new is kept')
})
