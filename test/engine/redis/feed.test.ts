import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Delivery, HistoryPage, StreamPosition } from '../../../lib/engine/engine.js'
import { Feed } from '../../../lib/engine/redis/feed.js'

const at = (offset: number, epoch = 'e'): StreamPosition => ({ epoch, offset })
const message = (position: StreamPosition | null): Delivery => ({ topic: 'all', json: '{"n":1}', isDroppable: false, isCompressible: false, position })

/** A feed on a history that the test answers for. */
function feedOf () {
  const [delivered, breaks, failures]: [(string | number)[], StreamPosition[], unknown[]] = [[], [], []]
  const reads: { since: StreamPosition, resolve: (page: HistoryPage) => void, reject: (error: Error) => void }[] = []
  const feed = new Feed({
    read: (since) => new Promise((resolve, reject) => reads.push({ since, resolve, reject })),
    deliver: ({ position }) => { delivered.push(position?.offset ?? 'passing') },
    break: (position) => { breaks.push(position) },
    fail: (error) => { failures.push(error) }
  })
  const receive = (...offsets: (number | null)[]) => {
    for (const offset of offsets) feed.receive(message(offset === null ? null : at(offset)))
  }
  /** Answers the latest read with what there is behind it, up to an offset. */
  const answer = async (top: number, last = top) => {
    const { since, resolve } = reads.at(-1)!
    const entries = Array.from({ length: last - since.offset }, (_, i) => message(at(since.offset + 1 + i)))
    resolve({ entries, isComplete: true, from: since, top: at(top) })
    await setImmediate()
  }
  return { feed, delivered, breaks, failures, reads, receive, answer }
}

t.test('a feed holds messages until its start is known, and drops those from before it', (t) => {
  const { feed, delivered, reads, receive } = feedOf()
  receive(3, 4, null, 5)
  t.equal(feed.position, null)
  feed.start(at(4))
  t.strictSame(delivered, ['passing', 5])
  t.strictSame([feed.position, reads.length], [at(5), 0])
  t.end()
})

t.test('a feed fills a gap before it delivers anything later', async (t) => {
  const { feed, delivered, reads, receive, answer } = feedOf()
  feed.start(at(0))
  receive(1, 4, null, 5)
  t.strictSame(delivered, [1])
  t.strictSame(reads.map(({ since }) => since), [at(1)])
  await answer(4)
  t.strictSame(delivered, [1, 2, 3, 4, 'passing', 5])
  receive(5, 6)
  t.strictSame(delivered.slice(-1), [6])
})

t.test('a feed detects a gap among held messages, and one at its start', async (t) => {
  const { feed, delivered, reads, receive, answer } = feedOf()
  receive(3)
  feed.start(at(1))
  receive(6)
  await answer(3)
  t.strictSame([delivered, reads.length], [[2, 3], 2])
  await answer(6)
  t.strictSame(delivered, [2, 3, 4, 5, 6])
})

t.test('a feed reads a history in pages to its end', async (t) => {
  const { feed, delivered, reads, answer } = feedOf()
  feed.start(at(0))
  feed.check(at(4))
  feed.check(at(4))
  t.equal(reads.length, 1)
  await answer(4, 2)
  await answer(4)
  t.strictSame(delivered, [1, 2, 3, 4])
  feed.check(at(4))
  t.equal(reads.length, 2)
})

t.test('a feed reads messages beyond its hold limit from the history', async (t) => {
  const { feed, delivered, receive, reads, answer } = feedOf()
  feed.start(at(0))
  receive(...Array.from({ length: 1_500 }, (_, n) => n + 2))
  await answer(10)
  t.equal(delivered.length, 1_001)
  receive(1_502)
  await answer(1_502)
  t.strictSame([delivered.length, delivered.at(-1), reads.length], [1_502, 1_502, 2])
})

t.test('a feed whose history does not reach back reports a break and continues from the end', async (t) => {
  const { feed, delivered, breaks, reads, receive } = feedOf()
  feed.start(at(1))
  receive(9)
  reads[0]!.resolve({ entries: [], isComplete: false, from: at(0), top: at(9) })
  await setImmediate()
  t.strictSame([delivered, breaks, feed.position], [[], [at(9)], at(9)])
  receive(9, 10)
  t.strictSame(delivered, [10])
})

t.test('a feed reports a new epoch as a break, delivers all of it, and drops messages of the old one', async (t) => {
  const { feed, delivered, breaks, reads, receive } = feedOf()
  feed.start(at(5))
  feed.receive(message(at(1, 'f')))
  receive(6)
  reads[0]!.resolve({ entries: [], isComplete: false, from: at(0), top: at(1, 'f') })
  await setImmediate()
  t.strictSame([delivered, breaks, reads[1]!.since], [[], [], at(0, 'f')])
  reads[1]!.resolve({ entries: [message(at(1, 'f'))], isComplete: true, from: at(0, 'f'), top: at(1, 'f') })
  await setImmediate()
  t.strictSame([delivered, breaks], [[1], [at(0, 'f')]])
  // What could not be placed may have been of a still newer epoch.
  reads[2]!.resolve({ entries: [], isComplete: true, from: at(1, 'f'), top: at(1, 'f') })
  await setImmediate()
  feed.receive(message(at(2, 'f')))
  t.strictSame([delivered, reads.length], [[1, 2], 3])
})

t.test('a feed reports a new epoch whose beginning is gone, or that has ended meanwhile, as a break at its end', async (t) => {
  const { feed, breaks, reads } = feedOf()
  feed.start(at(5))
  feed.receive(message(at(400, 'f')))
  reads[0]!.resolve({ entries: [], isComplete: false, from: at(0), top: at(400, 'f') })
  await setImmediate()
  reads[1]!.resolve({ entries: [], isComplete: false, from: at(0), top: at(2, 'g') })
  await setImmediate()
  t.strictSame([breaks, feed.position], [[at(2, 'g')], at(2, 'g')])
})

t.test('a stream that begins in an epoch other than the feed\'s continues without a break', async (t) => {
  const { feed, delivered, breaks, reads } = feedOf()
  feed.start(at(0))
  feed.receive(message(at(1, 'f')))
  t.strictSame(reads.map(({ since }) => since), [at(0)])
  reads[0]!.resolve({ entries: [message(at(1, 'f'))], isComplete: true, from: at(0, 'f'), top: at(1, 'f') })
  await setImmediate()
  feed.receive(message(at(2, 'f')))
  t.strictSame([delivered, breaks], [[1, 2], []])
})

t.test('a feed closed while it looks for a beginning reports no break', async (t) => {
  const { feed, breaks, reads } = feedOf()
  feed.start(at(5))
  feed.receive(message(at(1, 'f')))
  reads[0]!.resolve({ entries: [], isComplete: false, from: at(0), top: at(1, 'f') })
  await setImmediate()
  feed.close()
  reads[1]!.resolve({ entries: [message(at(1, 'f'))], isComplete: true, from: at(0), top: at(1, 'f') })
  await setImmediate()
  t.strictSame(breaks, [])
})

t.test('a history that cannot be read is retried', async (t) => {
  const { feed, delivered, failures, reads, receive, answer } = feedOf()
  feed.start(at(0))
  receive(2)
  reads[0]!.reject(new Error('away'))
  await setImmediate()
  t.equal(failures.length, 1)
  feed.check(at(2))
  await answer(2)
  t.strictSame(delivered, [1, 2])
})

t.test('a closed feed delivers nothing and reads nothing', async (t) => {
  const { feed, delivered, reads, receive, answer } = feedOf()
  feed.start(at(0))
  receive(2)
  feed.close()
  await answer(2)
  receive(3)
  feed.fill()
  t.strictSame([delivered, reads.length], [[], 1])
})
