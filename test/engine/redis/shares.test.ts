import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { HistoryBounds } from '../../../lib/engine/engine.js'
import { Shares } from '../../../lib/engine/redis/shares.js'
import { FakeClock } from '../../fixtures/fake-clock.js'

const KEPT = { size: 1_000, ttlMs: 60_000 }
const BYTES = 100

/** Shares of a store that does what it is asked, in words. */
function sharesOf (t: Test, bounds: Partial<HistoryBounds> = {}) {
  const clock = new FakeClock(t)
  const calls: string[] = []
  const failures: unknown[] = []
  const store = { isAway: false, inUse: new Set<string>(), inFront: new Set<string>() }
  const done = async <T>(call: string, result: T): Promise<T> => {
    calls.push(call)
    if (store.isAway) throw new Error('away')
    return result
  }
  const shares = new Shares({ maxBytes: 1_000_000, maxTopics: 1_000, maxBytesPerSender: 1_000_000, maxTopicsPerSender: 1_000, ...bounds }, 120_000, {
    cut: (topic, sender, bytes, keep) => done(`cut ${sender} ${topic} ${keep}`, store.inFront.has(topic) ? { bytes: 0, messages: 0 } : { bytes, messages: Math.ceil(bytes / BYTES) }),
    clear: (topic, offset) => done(`clear ${topic} ${offset}`, undefined),
    forget: (topic, offset) => done(`forget ${topic} ${offset}`, store.inUse.has(topic) ? null : 1),
    evicted: (messages) => { calls.push(`evicted ${messages}`) },
    fail: (error) => { failures.push(error) }
  })
  t.teardown(() => shares.close())
  const offsets = new Map<string, number>()
  const publish = (topic: string, sender?: string, retention = KEPT, step = 1) => {
    const offset = (offsets.get(topic) ?? 0) + step
    offsets.set(topic, offset)
    shares.published({ topic, json: 'x'.repeat(BYTES), isDroppable: false, isCompressible: false, sender }, retention, offset)
  }
  /** What was asked of the store since the last look. */
  const taken = async () => {
    await setImmediate()
    return calls.splice(0)
  }
  return { clock, store, failures, publish, taken }
}

t.test('a sender over its share of bytes loses its oldest messages', async (t) => {
  const { publish, taken } = sharesOf(t, { maxBytesPerSender: 5 * BYTES })
  for (const topic of ['a', 'a', 'b', 'b', 'b']) publish(topic, 'mallory')
  publish('app')
  t.strictSame(await taken(), [])
  publish('b', 'mallory')
  t.strictSame(await taken(), ['cut mallory a 0', 'evicted 2'])
  for (let n = 0; n < 3; n++) publish('b', 'mallory')
  t.strictSame((await taken()).filter((call) => call.startsWith('cut')), ['cut mallory a 0', ...Array(3).fill('cut mallory b 1')], 'and the newest stays')
})

t.test('what is behind the messages of others stays, and is not tried again', async (t) => {
  const { store, publish, taken } = sharesOf(t, { maxBytesPerSender: 3 * BYTES })
  store.inFront.add('room')
  for (let n = 0; n < 4; n++) publish('room', 'mallory')
  t.strictSame(await taken(), ['cut mallory room 1', 'evicted 0'])
  publish('room', 'mallory')
  t.strictSame(await taken(), [])
  publish('other', 'mallory')
  t.strictSame(await taken(), ['cut mallory other 1', 'evicted 1'])
})

t.test('what expires meanwhile, or is more than a history holds, is not counted', async (t) => {
  const { clock, publish, taken } = sharesOf(t, { maxBytesPerSender: 3 * BYTES, maxBytes: 5 * BYTES })
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

t.test('over all bounds the messages of senders go first, then those before a flooder\'s, then what was used longest ago', async (t) => {
  const { store, publish, taken } = sharesOf(t, { maxBytes: 10 * BYTES, maxBytesPerSender: 3 * BYTES })
  publish('old')
  for (let n = 0; n < 2; n++) publish('hers', 'alice')
  store.inFront.add('room')
  publish('room')
  for (let n = 0; n < 4; n++) publish('room', 'mallory')
  t.strictSame(await taken(), ['cut mallory room 1', 'evicted 0'])
  for (let n = 0; n < 3; n++) publish('new')
  t.strictSame(await taken(), ['cut alice hers 0'], 'hers are not counted as over her share')
  for (let n = 0; n < 2; n++) publish('new')
  t.strictSame(await taken(), ['cut alice hers 0', 'clear room null'])
  for (let n = 0; n < 8; n++) publish('new')
  t.strictSame(await taken(), ['clear old 1'])
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
  t.strictSame(await taken(), ['forget a 2', 'evicted 0'])
  publish('a', 'mallory')
  publish('e', 'mallory')
  t.strictSame(await taken(), ['forget c 1', 'evicted 1'], 'one in use is no longer hers alone')
})

t.test('over all bounds the streams of senders go first, those of whoever has most before', async (t) => {
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

t.test('a store that is away is asked again when there is too much the next time', async (t) => {
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

t.test('a stream that is in use and was published to again meanwhile is counted once', async (t) => {
  const { store, publish, taken } = sharesOf(t, { maxTopics: 1 })
  store.inUse.add('a')
  publish('a')
  publish('b')
  publish('a')
  t.match(await taken(), ['forget a 1', 'forget b 1'])
  publish('c')
  t.match(await taken(), ['forget a 2'])
})

t.test('streams that nobody can ask for any more are not counted', async (t) => {
  const { clock, publish, taken } = sharesOf(t, { maxTopics: 2 })
  for (const topic of ['a', 'b']) publish(topic, 'mallory')
  clock.advance(180_000)
  for (const topic of ['c', 'd']) publish(topic)
  t.strictSame(await taken(), [])
})
