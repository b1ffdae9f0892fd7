import t, { type Test } from 'tap'
import type { HistoryPage, StreamPosition } from '../../../lib/engine/engine.js'
import { Stream, type Entry } from '../../../lib/engine/memory/stream.js'
import { Streams, type StreamLimits } from '../../../lib/engine/memory/streams.js'
import { FakeClock } from '../../fixtures/fake-clock.js'

const KEPT = { size: 1_000, ttlMs: 60_000 }
/** `{"n":1}` and some more, so that the size of each message is known. */
const BYTES = 100

function streamsOf (t: Test, limits: Partial<StreamLimits> = {}) {
  const clock = new FakeClock(t)
  const evicted: number[] = []
  const bounds = { maxTopics: 10, maxBytes: 1_000_000, maxBytesPerSender: 10_000, maxTopicsPerSender: 10 }
  const streams = new Streams({ ...bounds, positionTtlMs: 60_000, ...limits }, (messages) => { evicted.push(messages) })
  t.teardown(() => streams.close())
  const append = (topic: string, retention = KEPT, bytes = BYTES, sender?: string) =>
    streams.append({ topic, json: 'x'.repeat(bytes), isDroppable: false, isCompressible: false, sender }, retention).position
  const from = (sender: string, topic: string, bytes = BYTES) => append(topic, KEPT, bytes, sender)
  const lengthOf = (topic: string) => streams.read(topic, null, Infinity).entries.length
  return { clock, streams, append, from, lengthOf, evicted }
}

const offsetsOf = ({ entries }: HistoryPage) => entries.map(({ position }) => position!.offset)

t.test('messages in memory expire at their time and no sooner, even if they are not read', (t) => {
  const { clock, append, lengthOf } = streamsOf(t)
  append('a', { size: 10, ttlMs: 1_000 })
  clock.advance(500)
  append('a', { size: 10, ttlMs: 1_000 })
  clock.advance(499)
  t.equal(lengthOf('a'), 2)
  clock.advance(1)
  t.equal(lengthOf('a'), 1)
  clock.advance(500)
  t.equal(lengthOf('a'), 0)
  t.end()
})

t.test('all histories together hold at most maxBytes; the least recently used lose messages first', (t) => {
  const { append, lengthOf } = streamsOf(t, { maxBytes: 10 * BYTES })
  const last: Record<string, StreamPosition> = {}
  for (const topic of ['a', 'b', 'a', 'b', 'c', 'c', 'c', 'c', 'c', 'c']) last[topic] = append(topic)
  t.strictSame(['a', 'b', 'c'].map(lengthOf), [2, 2, 6], 'as many as there is room for')
  append('c')
  t.strictSame(['a', 'b', 'c'].map(lengthOf), [0, 2, 7], 'a was used before b; with some room left')
  for (let n = 0; n < 5; n++) append('c')
  t.strictSame(['a', 'b', 'c'].map(lengthOf), [0, 0, 10])
  t.match(append('a'), { epoch: last.a!.epoch, offset: 3 }, 'its position stays')
  t.end()
})

t.test('the entries of a history are moved seldom, however many leave it one by one', (t) => {
  const stream = new Stream('all', 'epoch', 'app')
  const entryOf = (n: number) => ({ bytes: n }) as Entry
  for (let n = 0; n < 1_000; n++) stream.push(entryOf(n))
  const lists = Array.prototype as unknown as Record<'splice', (...args: unknown[]) => unknown>
  const splices = t.capture(lists, 'splice', lists.splice)
  for (let n = 0; n < 1_000; n++) if (stream.shift().bytes !== n) throw new Error(`not number ${n}`)
  const moves = splices().length
  splices.restore()
  t.equal(stream.length, 0)
  t.ok(moves > 0 && moves <= 11, `${moves} times`)
  t.end()
})

t.test('a single stream loses its oldest messages, but never the newest, however large', (t) => {
  const { streams, append } = streamsOf(t, { maxBytes: 10 * BYTES })
  for (let n = 0; n < 11; n++) append('a')
  t.strictSame(offsetsOf(streams.read('a', null, 100)), [3, 4, 5, 6, 7, 8, 9, 10, 11])
  const { epoch } = append('a', KEPT, 50 * BYTES)
  t.strictSame(offsetsOf(streams.read('a', null, 100)), [12])
  t.match(streams.read('a', { epoch, offset: 11 }, 100), { isComplete: true })
  t.match(streams.read('a', { epoch, offset: 10 }, 100), { isComplete: false, entries: [] })
  t.end()
})

t.test('history size is counted in bytes, not characters', (t) => {
  const { streams } = streamsOf(t, { maxBytes: 10 })
  const append = (json: string) => streams.append({ topic: 'a', json, isDroppable: false, isCompressible: false }, KEPT)
  append('12345')
  append('12345')
  t.equal(streams.read('a', null, 10).entries.length, 2)
  append('👋')
  t.strictSame(offsetsOf(streams.read('a', null, 10)), [2, 3])
  t.end()
})

t.test('room freed in a history, by size, time or forgetting, is available to others', (t) => {
  const { clock, append, lengthOf } = streamsOf(t, { maxBytes: 10 * BYTES, maxTopics: 2 })
  for (let n = 0; n < 50; n++) append('a', { size: 2, ttlMs: 1_000 })
  for (let n = 0; n < 8; n++) append('b')
  t.strictSame([lengthOf('a'), lengthOf('b')], [2, 8], 'by size')
  clock.advance(1_000)
  t.equal(lengthOf('a'), 0)
  append('b')
  append('b')
  t.equal(lengthOf('b'), 10, 'by time')
  append('c')
  t.strictSame([lengthOf('b'), lengthOf('c')], [0, 1])
  for (let n = 0; n < 9; n++) append('c')
  t.equal(lengthOf('c'), 10, 'by being forgotten')
  t.end()
})

t.test('at most maxTopics are remembered; the least recently used go first, and begin again in a new epoch', (t) => {
  const { streams, append, lengthOf } = streamsOf(t, { maxTopics: 10 })
  const first = append('topic-0')
  for (let n = 1; n < 10; n++) append(`topic-${n}`)
  t.equal(lengthOf('topic-0'), 1)
  append('topic-0')
  append('topic-10')
  t.strictSame(Array.from({ length: 11 }, (_, n) => lengthOf(`topic-${n}`)), [2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
  t.match(append('topic-0'), { epoch: first.epoch, offset: 3 }, 'one that is used is not forgotten')
  const again = append('topic-1')
  t.equal(again.offset, 1)
  t.not(again.epoch, first.epoch)
  t.match(streams.read('topic-1', { epoch: first.epoch, offset: 1 }, 10), { entries: [], isComplete: false })
  t.end()
})

t.test('topics with members are remembered beyond maxTopics, until their members leave', (t) => {
  const { streams, append, lengthOf } = streamsOf(t, { maxTopics: 2 })
  for (let n = 0; n < 5; n++) {
    streams.subscribe(`topic-${n}`)
    streams.subscribe(`topic-${n}`)
    append(`topic-${n}`)
  }
  append('other')
  append('another')
  t.strictSame([0, 1, 2, 3, 4].map((n) => lengthOf(`topic-${n}`)), [1, 1, 1, 1, 1])
  t.strictSame([lengthOf('other'), lengthOf('another')], [1, 1])
  streams.unsubscribe('topic-0')
  streams.unsubscribe('topic-0')
  streams.unsubscribe('never')
  t.strictSame([lengthOf('topic-0'), lengthOf('other')], [0, 0])
  t.equal(streams.isSubscribed('topic-0'), false)
  t.equal(streams.isSubscribed('topic-1'), true)
  t.end()
})

t.test('the stream in use is not forgotten to make room for itself', (t) => {
  const { streams, append } = streamsOf(t, { maxTopics: 0 })
  const { epoch } = append('a')
  t.match(append('a'), { epoch, offset: 2 })
  t.equal(streams.read('a', null, 10).entries.length, 2)
  append('b')
  t.match(streams.read('a', { epoch, offset: 2 }, 10), { isComplete: false })
  t.end()
})

t.test('the position of an unused stream is remembered for positionTtlMs from its last use', (t) => {
  const { clock, streams, append } = streamsOf(t, { positionTtlMs: 20_000 })
  const brief = { size: 10, ttlMs: 1_000 }
  const last = append('a', brief)
  streams.subscribe('b')
  clock.advance(19_000)
  t.strictSame(streams.read('a', last, 10), { entries: [], isComplete: true, from: last, top: last })
  const next = append('a', brief)
  t.strictSame(next, { epoch: last.epoch, offset: 2 })
  clock.advance(30_000)
  t.match(streams.read('a', next, 10), { isComplete: false })
  const { epoch, offset } = append('a', brief)
  t.equal(offset, 1)
  t.not(epoch, last.epoch)
  t.match(streams.read('b', { epoch: last.epoch, offset: 0 }, 10), { isComplete: true }, 'that of a stream without a message needs no memory')
  const used = append('b', brief)
  clock.advance(60_000)
  t.match(streams.read('b', used, 10), { isComplete: true }, 'one with members is remembered all the time')
  streams.unsubscribe('b')
  clock.advance(15_000)
  t.match(streams.read('b', used, 10), { isComplete: true }, 'and from then on')
  clock.advance(15_000)
  t.match(streams.read('b', used, 10), { isComplete: false })
  t.end()
})

t.test('a stream that still has messages is not forgotten, however long it is unused', (t) => {
  const { clock, streams, append } = streamsOf(t, { positionTtlMs: 5_000 })
  const last = append('a', { size: 10, ttlMs: 60_000 })
  clock.advance(59_000)
  t.match(streams.read('a', { epoch: last.epoch, offset: 0 }, 10), { entries: [{ position: last }], isComplete: true })
  t.end()
})

t.test('streams begin in a shared epoch; a forgotten one begins neither in it nor in its old one', (t) => {
  const { append } = streamsOf(t, { maxTopics: 10 })
  const epochs = Array.from({ length: 40 }, (_, n) => append(`topic-${n}`).epoch)
  t.equal(epochs[0], epochs[9])
  const distinct = new Set(epochs)
  t.ok(distinct.size > 1 && distinct.size < 10, 'when too many were forgotten, all begin in another')
  for (let n = 0; n < 30; n++) {
    const again = append(`topic-${n}`)
    if (again.offset === 1 && again.epoch === epochs[n]) t.fail(`topic-${n} began again in its old epoch`)
  }
  t.end()
})

t.test('topics without publications leave nothing behind, and their positions are valid', (t) => {
  const { clock, streams, append } = streamsOf(t)
  const positions = Array.from({ length: 1_000 }, (_, n) => streams.subscribe(`topic-${n}`))
  t.strictSame(streams.size, { streams: 0, silent: 1_000, bytes: 0 })
  for (let n = 0; n < 1_000; n++) streams.unsubscribe(`topic-${n}`)
  t.strictSame(streams.size, { streams: 0, silent: 0, bytes: 0 })
  t.equal(clock.timerCount, 0)
  append('topic-7')
  t.match(streams.read('topic-7', positions[7]!, 10), { entries: [{ position: { ...positions[7], offset: 1 } }], isComplete: true })
  t.match(streams.read('topic-8', positions[8]!, 10), { entries: [], isComplete: true })
  t.end()
})

t.test('a position from before a stream was forgotten is invalid for the next one, with or without members', (t) => {
  for (const hasMembers of [true, false]) {
    const { streams, append } = streamsOf(t, { maxTopics: 1 })
    const before = streams.subscribe('a')
    streams.unsubscribe('a')
    append('a')
    append('b')
    if (hasMembers) t.not(streams.subscribe('a').epoch, before.epoch)
    t.match(streams.read('a', before, 10), { entries: [], isComplete: false })
    const { epoch } = append('a')
    t.not(epoch, before.epoch)
    if (hasMembers) t.match(streams.subscribe('a'), { epoch, offset: 1 })
    t.match(streams.read('a', before, 10), { entries: [], isComplete: false })
  }
  t.end()
})

t.test('a member of a silent topic keeps its epoch when a new shared epoch begins', (t) => {
  const { streams, append } = streamsOf(t, { maxTopics: 1 })
  const position = streams.subscribe('quiet')
  for (let n = 0; n < 10; n++) append(`topic-${n}`)
  t.not(append('other').epoch, position.epoch)
  t.strictSame(append('quiet'), { epoch: position.epoch, offset: 1 })
  t.equal(streams.isSubscribed('quiet'), true)
  t.end()
})

const usedUp = { code: 'WSM_ERR_RATE_LIMITED', message: /share of the message history is used up/ }

t.test('a sender whose share is used up loses its own oldest messages, never those of others, and is refused if none can go', (t) => {
  const { streams, from, append, lengthOf, evicted } = streamsOf(t, { maxBytesPerSender: 10 * BYTES })
  append('app')
  for (let n = 0; n < 6; n++) from('mallory', `her-${n % 2}`)
  from('alice', 'room')
  for (let n = 0; n < 4; n++) from('mallory', 'room')
  t.strictSame(['her-0', 'her-1', 'room', 'app'].map(lengthOf), [3, 3, 5, 1], 'all that she may have')
  from('mallory', 'room')
  t.strictSame(['her-0', 'her-1', 'room', 'app'].map(lengthOf), [2, 3, 6, 1])
  for (let n = 0; n < 5; n++) from('mallory', 'room')
  t.strictSame(['her-0', 'her-1', 'room', 'app'].map(lengthOf), [0, 0, 11, 1])
  t.strictSame(evicted, Array(6).fill(1))
  const { bytes } = streams.size
  for (const topic of ['room', 'her-0', 'new']) t.throws(() => from('mallory', topic), usedUp)
  t.strictSame(evicted, Array(9).fill(1), 'refusals are counted')
  t.strictSame(streams.size, { streams: 4, silent: 0, bytes }, 'and nothing is published')
  t.match(streams.read('room', null, 100).top, { offset: 11 })
  from('alice', 'room')
  t.end()
})

t.test('a message larger than a share is refused, and evicts nothing of its sender', (t) => {
  const { from, lengthOf, evicted } = streamsOf(t, { maxBytesPerSender: 3 * BYTES })
  from('mallory', 'a')
  t.throws(() => from('mallory', 'a', 3 * BYTES + 1), { code: 'WSM_ERR_RATE_LIMITED', message: /larger than/ })
  t.strictSame([lengthOf('a'), evicted], [1, [1]])
  from('mallory', 'a', 3 * BYTES)
  t.strictSame([lengthOf('a'), evicted], [1, [1, 1]], 'one as large as a share is kept alone')
  t.throws(() => from('mallory', 'other', 3 * BYTES + 1))
  t.end()
})

t.test('a sender that lost everything is still charged for later messages', (t) => {
  const { from, append, lengthOf } = streamsOf(t, { maxBytesPerSender: 2 * BYTES })
  from('alice', 'room', 2 * BYTES)
  append('room')
  for (let n = 0; n < 2; n++) from('alice', 'room')
  t.throws(() => from('alice', 'room'), usedUp)
  t.equal(lengthOf('room'), 3)
  t.end()
})

t.test('a sender\'s own messages can be evicted once the messages before them are gone', (t) => {
  const { clock, from, append, lengthOf } = streamsOf(t, { maxBytesPerSender: 3 * BYTES })
  append('room', { size: 10, ttlMs: 1_000 })
  for (let n = 0; n < 3; n++) from('mallory', 'room')
  append('room')
  t.throws(() => from('mallory', 'room'), usedUp)
  clock.advance(1_000)
  t.equal(lengthOf('room'), 4)
  from('mallory', 'room')
  t.equal(lengthOf('room'), 4, 'three of hers and one of the app')
  t.end()
})

t.test('a sender that has begun too many streams loses its own oldest ones without members', (t) => {
  const { streams, from, append, lengthOf, evicted } = streamsOf(t, { maxTopics: 1_000, maxTopicsPerSender: 3 })
  from('mallory', 'user:app')
  append('user:app')
  from('mallory', 'user:alice')
  from('alice', 'user:alice')
  for (let n = 0; n < 3; n++) from('mallory', `user:${n}`)
  streams.subscribe('user:0')
  from('mallory', 'user:3')
  t.strictSame(evicted, [])
  from('mallory', 'user:1')
  from('mallory', 'user:4')
  t.strictSame(['user:app', 'user:alice', 'user:0', 'user:1', 'user:2', 'user:3'].map(lengthOf), [2, 2, 1, 2, 0, 1])
  t.strictSame(evicted, [1])
  streams.unsubscribe('user:0')
  t.strictSame([lengthOf('user:0'), lengthOf('user:3')], [1, 0], 'it counts again from when it is left on')
  t.end()
})

t.test('over all limits the streams and messages of senders go first, starting with the largest holders', (t) => {
  const { from, append, lengthOf } = streamsOf(t, { maxTopics: 10, maxBytes: 20 * BYTES })
  for (const topic of ['app', 'shared']) append(topic)
  from('bob', 'both')
  from('carol', 'both')
  from('alice', 'a-0')
  for (let n = 0; n < 6; n++) from('mallory', `m-${n}`)
  t.strictSame(['app', 'both', 'a-0', 'm-0', 'm-1', 'm-2'].map(lengthOf), [1, 2, 1, 1, 1, 1])
  append('one more')
  t.strictSame(['app', 'both', 'a-0', 'm-0', 'm-1', 'm-2'].map(lengthOf), [1, 2, 1, 0, 0, 1])
  for (let n = 0; n < 4; n++) append(`more-${n}`)
  append('and more')
  t.strictSame(['app', 'both', 'a-0', 'm-5'].map(lengthOf), [1, 2, 1, 0])
  append('too many')
  append('far too many')
  t.strictSame(['app', 'both'].map(lengthOf), [1, 0], 'those of several senders, and then the app\'s')
  t.end()
})

t.test('a sender behind the messages of others evicts none of them, however many channels it writes to', (t) => {
  const { from, append, lengthOf } = streamsOf(t, { maxTopics: 100, maxBytes: 60 * BYTES, maxBytesPerSender: 10 * BYTES })
  const rooms = Array.from({ length: 20 }, (_, n) => `room-${n}`)
  for (const room of rooms) {
    from('alice', room, BYTES / 2)
    append(room)
  }
  append('quiet')
  let refused = 0
  for (let round = 0; round < 10; round++) {
    for (const room of rooms) {
      try {
        from('mallory', room)
      } catch {
        refused++
      }
    }
  }
  t.equal(refused, 190)
  t.strictSame(rooms.map(lengthOf), rooms.map((_, n) => n < 10 ? 3 : 2))
  t.equal(lengthOf('quiet'), 1)
  t.end()
})

t.test('messages older than notBefore are not read, and do not count as missing', (t) => {
  const { streams, append } = streamsOf(t)
  let time = 1_000
  t.intercept(Date, 'now', { value: () => time })
  const { epoch } = append('a')
  append('a')
  const notBefore = time = 2_000
  const read = (offset: number, bounds: object) => {
    const { entries, isComplete, from } = streams.read('a', { epoch, offset }, 10, bounds)
    return [entries.map(({ position }) => position!.offset), isComplete, from.offset]
  }
  t.strictSame(read(0, { notBefore }), [[], true, 2])
  append('a')
  append('a')
  t.strictSame(read(0, { notBefore }), [[3, 4], true, 2])
  t.strictSame(read(3, { notBefore }), [[4], true, 3])
  t.strictSame(read(0, { notBefore: 0 }), [[1, 2, 3, 4], true, 0])
  append('a', { size: 4, ttlMs: 60_000 })
  t.strictSame(read(0, {}), [[], false, 5])
  t.strictSame(read(0, { notBefore }), [[3, 4, 5], true, 2], 'what has gone was older')
  append('a', { size: 4, ttlMs: 60_000 })
  t.strictSame(read(0, { notBefore }), [[], false, 6], 'it may have been newer')
  t.end()
})

t.test('closing the streams in memory stops their sweep and releases everything', (t) => {
  const { clock, streams, append, lengthOf } = streamsOf(t)
  append('a')
  t.equal(clock.timerCount, 1)
  streams.close()
  streams.close()
  t.equal(clock.timerCount, 0)
  t.equal(lengthOf('a'), 0)
  append('late')
  t.equal(clock.timerCount, 0)
  t.end()
})

t.test('the sweep of the streams in memory runs while there is anything to expire', (t) => {
  const { clock, append } = streamsOf(t)
  t.equal(clock.timerCount, 0)
  append('a')
  t.equal(clock.timerCount, 1)
  clock.advance(10 * 86_400_000)
  t.equal(clock.timerCount, 0)
  append('a')
  t.equal(clock.timerCount, 1)
  t.end()
})

t.test('over all limits the latest message of a stream stays, even if one sender holds everything', (t) => {
  const { from, lengthOf } = streamsOf(t, { maxBytes: 10 * BYTES })
  for (let n = 0; n < 11; n++) from('mallory', 'x')
  t.equal(lengthOf('x'), 9)
  from('mallory', 'x', 20 * BYTES)
  t.equal(lengthOf('x'), 1)
  t.end()
})

t.test('a sender is charged for its messages and streams until the last of them is gone', (t) => {
  for (const [maxTopics, size] of [[1, 1_000], [10, 1]] as const) {
    const { append, from, lengthOf } = streamsOf(t, { maxTopics, maxBytesPerSender: 3 * BYTES })
    from('mallory', 'first')
    for (let n = 0; n < 2; n++) append('second', { size, ttlMs: 60_000 }, BYTES, 'mallory')
    for (let n = 0; n < 3; n++) from('mallory', 'second')
    t.strictSame(['first', 'second'].map(lengthOf), [0, 3])
  }
  t.end()
})
