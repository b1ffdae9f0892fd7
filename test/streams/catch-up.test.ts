import t from 'tap'
import type { Connection } from '../../lib/socket/connection.js'
import type { Delivery, Engine, HistoryPage, StreamPosition } from '../../lib/engine/engine.js'
import { normalizeOptions } from '../../lib/options.js'
import { StreamRules } from '../../lib/streams/stream-rules.js'
import type { StreamState } from '../../lib/streams/topic.js'
import { Topics } from '../../lib/streams/topics.js'

const at = (offset: number, epoch = 'e'): StreamPosition => ({ epoch, offset })
const entry = (offset: number, epoch = 'e'): Delivery => (
  { topic: 'x', json: `{"n":${offset}}`, isDroppable: true, isCompressible: true, position: at(offset, epoch) })
const page = (from: number, to: number, top = to, epoch = 'e'): HistoryPage => (
  { entries: Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, epoch)), isComplete: true, from: at(from - 1, epoch), top: at(top, epoch) })
const unreachable = (top: StreamPosition): HistoryPage => ({ entries: [], isComplete: false, from: top, top })

/** A node whose deliveries are behind what its history reads: as it is where messages come over a network. */
function setUp (deliveredTo: number, historyTo = deliveredTo) {
  const reads: Array<{ since: StreamPosition | null, answer: (page: HistoryPage | Error) => void }> = []
  let deliver!: (delivery: Delivery) => void
  let reached: () => Promise<HistoryPage> = async () => ({ entries: [], isComplete: true, from: at(0), top: at(historyTo) })
  let breakStream!: (topic: string, position: StreamPosition) => void
  const engine = {
    onDelivery: (listener: typeof deliver) => { deliver = listener },
    onBreak: (listener: typeof breakStream) => { breakStream = listener },
    subscribe: async () => at(deliveredTo),
    unsubscribe: () => {},
    history: (_topic: string, since: StreamPosition, limit: number) => {
      // Whether the history reaches the position, which is asked before the client becomes a member.
      if (limit === 0) return reached()
      return new Promise<HistoryPage>((resolve, reject) => {
        reads.push({ since, answer: (page) => page instanceof Error ? reject(page) : resolve(page) })
      })
    }
  }
  const topics = new Topics(engine as unknown as Engine, new StreamRules(normalizeOptions({})))
  const received: string[] = []
  const client = {
    id: 'a',
    isOpen: true,
    isCongested: false,
    drained: async () => {},
    send: ({ frame }: { frame: Buffer }) => {
      const { type, n, offset } = JSON.parse(frame.subarray(frame[1]! < 126 ? 2 : 4).toString())
      received.push(type === 'gap' ? `gap ${offset}` : String(n))
    }
  }
  const connection = client as unknown as Connection
  const states: StreamState[] = []
  const join = async (since: StreamPosition | null) => {
    const joining = await topics.prepare(connection, [{ topic: 'x', since }])
    states.push(...joining.commit())
    await joining.catchUp()
  }
  /** The next read of the history, when it comes. */
  const read = async () => {
    while (reads.length === 0) await new Promise((resolve) => setImmediate(resolve))
    return reads.shift()!
  }
  const onCheck = (check: typeof reached) => { reached = check }
  return { topics, connection, client, received, states, join, read, onCheck, deliver, breakStream, entry }
}

t.test('a message already read from the history is not delivered again live', async (t) => {
  const { received, states, join, read, deliver, topics, connection } = setUp(2, 5)
  const joined = join(at(0));
  (await read()).answer(page(1, 5))
  await joined
  t.strictSame(states, [{ topic: 'x', position: at(0), recovered: true, missed: 5 }])
  t.match(topics.stateOf('x', connection), { position: at(5) })
  for (const offset of [3, 4, 5, 6]) deliver(entry(offset))
  deliver({ ...entry(0), position: null })
  deliver(entry(7))
  t.strictSame(received, ['1', '2', '3', '4', '5', '6', '0', '7'])
  const gone = setUp(2)
  const joinedToo = gone.join(at(0));
  (await gone.read()).answer(page(1, 5))
  await joinedToo
  gone.topics.leave('x', gone.connection)
  gone.deliver(entry(6))
  t.strictSame(gone.received, ['1', '2', '3', '4', '5'])
})

t.test('after a catch-up that read ahead, messages of a new epoch are delivered', async (t) => {
  const { received, join, read, deliver, breakStream } = setUp(1)
  const joined = join(at(0));
  (await read()).answer(page(1, 4))
  await joined
  deliver(entry(1, 'f'))
  const second = setUp(1)
  const joinedSecond = second.join(at(0));
  (await second.read()).answer(page(1, 4))
  await joinedSecond
  second.breakStream('x', at(1, 'f'))
  second.deliver(entry(2, 'f'))
  breakStream('unknown', at(1))
  t.strictSame(received, ['1', '2', '3', '4', '1'])
  t.strictSame(second.received, ['1', '2', '3', '4', 'gap 1', '2'])
})

t.test('a message delivered during a catch-up is sent in its order from the history', async (t) => {
  const { received, join, read, deliver } = setUp(3)
  const joined = join(at(0))
  const first = await read()
  deliver(entry(4))
  first.answer(page(1, 3))
  const second = await read()
  t.strictSame(second.since, at(3))
  deliver(entry(5))
  second.answer(page(4, 4, 5));
  (await read()).answer(page(5, 5))
  await joined
  deliver(entry(6))
  t.strictSame(received, ['1', '2', '3', '4', '5', '6'])
})

t.test('a catch-up ends with a gap frame if the history evicts unread messages or breaks', async (t) => {
  const { received, join, read, deliver } = setUp(3)
  const joined = join(at(0));
  (await read()).answer(page(1, 1, 3));
  (await read()).answer(unreachable(at(3)))
  await joined
  deliver(entry(4))
  t.strictSame(received, ['1', 'gap 3', '4'])
  const other = setUp(3)
  const joinedOther = other.join(at(0));
  (await other.read()).answer(page(1, 2, 3))
  other.breakStream('x', at(9, 'f'));
  (await other.read()).answer(unreachable(at(9, 'f')))
  await joinedOther
  other.deliver(entry(10, 'f'))
  t.strictSame(other.received, ['1', '2', 'gap 9', '10'])
})

t.test('a catch-up whose history becomes unreachable ends with a gap frame, and a join whose history is unreachable fails', async (t) => {
  const { received, join, read, deliver } = setUp(3)
  const joined = join(at(0));
  (await read()).answer(page(1, 1, 3));
  (await read()).answer(new Error('out of reach'))
  await joined
  deliver(entry(4))
  t.strictSame(received, ['1', 'gap 3', '4'])
  const other = setUp(3)
  other.onCheck(() => Promise.reject(new Error('out of reach')))
  const failed = other.join(at(0))
  await t.rejects(failed, { message: 'out of reach' })
  t.equal(other.topics.count('x'), 0)
})

t.test('a catch-up stops when its connection has left, whatever the history returns', async (t) => {
  for (const answer of [page(2, 3), unreachable(at(3)), new Error('out of reach')]) {
    const { topics, connection, received, join, read, deliver } = setUp(3)
    const joined = join(at(0));
    (await read()).answer(page(1, 1, 3))
    const second = await read()
    topics.leave('x', connection)
    second.answer(answer)
    await joined
    deliver(entry(4))
    t.strictSame(received, ['1'])
    t.equal(topics.stateOf('x', connection), null)
  }
})

t.test('joining again during a catch-up starts over at the new position', async (t) => {
  const { received, join, read, onCheck, deliver, topics, connection } = setUp(3)
  const first = join(at(0));
  (await read()).answer(page(1, 1, 3))
  const stale = await read()
  t.match(topics.stateOf('x', connection), { position: at(1) })
  onCheck(async () => ({ entries: [], isComplete: true, from: at(1), top: at(3) }))
  const second = join(at(1))
  await new Promise((resolve) => setImmediate(resolve))
  stale.answer(page(2, 3))
  await first;
  (await read()).answer(page(2, 3))
  await second
  deliver(entry(4))
  t.strictSame(received, ['1', '2', '3', '4'])
})

t.test('a catch-up waits for a congested client until that disconnects', async (t) => {
  const { client, received, join, read } = setUp(3)
  let waits = 0
  client.isCongested = true
  client.drained = async () => { if (++waits === 2) client.isCongested = false }
  const joined = join(at(0));
  (await read()).answer(page(1, 3))
  await joined
  t.strictSame([waits, received], [2, ['1', '2', '3']])
  const other = setUp(3)
  other.client.isCongested = true
  other.client.drained = async () => { other.client.isOpen = false }
  await other.join(at(0))
  t.strictSame(other.received, [])
})

t.test('a client that disconnects during a page of its catch-up gets no more of it', async (t) => {
  const { client, received, join, read } = setUp(3)
  const { send } = client
  client.send = (message) => {
    send(message)
    client.isCongested = true
  }
  client.drained = async () => { client.isOpen = false }
  const joined = join(at(0));
  (await read()).answer(page(1, 3))
  await joined
  t.strictSame(received, ['1'])
})

t.test('a catch-up continues if an empty stream gets its first message during the read', async (t) => {
  const { received, join, read, deliver, onCheck } = setUp(0)
  onCheck(async () => ({ entries: [], isComplete: true, from: at(0, 'before'), top: at(1) }))
  const joined = join(at(0, 'before'))
  const first = await read()
  deliver(entry(1))
  first.answer(page(1, 0, 0));
  (await read()).answer(page(1, 1))
  await joined
  deliver(entry(2))
  t.strictSame(received, ['1', '2'])
})

t.test('a member that is not ahead gets a delivery that another has read already', async (t) => {
  const { received, topics, join, read, deliver } = setUp(1)
  const joined = join(at(0));
  (await read()).answer(page(1, 3))
  await joined
  let others = 0
  const other = { id: 'b', isOpen: true, send: () => { others++ } } as unknown as Connection
  const joining = await topics.prepare(other, [{ topic: 'x', since: null }])
  joining.commit()
  await joining.catchUp()
  deliver(entry(2))
  t.strictSame([received, others], [['1', '2', '3'], 1])
})

t.test('a catch-up of an empty stream ends at once, whatever its epoch', async (t) => {
  const { received, join, read, deliver, onCheck } = setUp(0)
  onCheck(async () => ({ entries: [], isComplete: true, from: at(0, 'before'), top: at(1) }))
  const joined = join(at(0, 'before'));
  (await read()).answer(page(1, 0, 0))
  await joined
  deliver(entry(1))
  t.strictSame(received, ['1'])
})

t.test('a catch-up continues if the page read is older than this node\'s deliveries', async (t) => {
  const { received, join, read, onCheck } = setUp(1)
  onCheck(async () => ({ entries: [], isComplete: true, from: at(0), top: at(1) }))
  const joined = join(at(0));
  (await read()).answer(page(1, 0, 0));
  (await read()).answer(page(1, 1))
  await joined
  t.strictSame(received, ['1'])
})
