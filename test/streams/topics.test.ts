import t from 'tap'
import type { Connection } from '../../lib/socket/connection.js'
import type { Delivery, Engine, StreamPosition } from '../../lib/engine/engine.js'
import { normalizeOptions, type WsPluginOptions } from '../../lib/options.js'
import { StreamRules } from '../../lib/streams/stream-rules.js'
import { Topics } from '../../lib/streams/topics.js'
import { Gate } from '../fixtures/gate.js'

/** An engine of which every subscription waits for its gate. */
class SlowEngine {
  readonly calls: string[] = []
  readonly gates: Gate[] = []
  deliver: (delivery: Delivery) => void = () => {}
  break: (topic: string, position: StreamPosition) => void = () => {}

  onDelivery (listener: (delivery: Delivery) => void): void {
    this.deliver = listener
  }

  onBreak (listener: (topic: string, position: StreamPosition) => void): void {
    this.break = listener
  }

  async subscribe (topic: string): Promise<StreamPosition> {
    const gate = new Gate()
    this.calls.push(`subscribe ${topic}`)
    this.gates.push(gate)
    await gate.wait()
    return { epoch: 'e', offset: 0 }
  }

  unsubscribe (topic: string): void {
    this.calls.push(`unsubscribe ${topic}`)
  }
}

/** A connection that keeps what it is sent. */
function connection (id: string, isOpen = true) {
  const received: Array<{ frame: Buffer }> = []
  return { received, connection: { id, isOpen, send: (message: { frame: Buffer }) => received.push(message) } as unknown as Connection }
}

function setUp (options: WsPluginOptions = {}) {
  const engine = new SlowEngine()
  const topics = new Topics(engine as unknown as Engine, new StreamRules(normalizeOptions(options)))
  const join = async (topic: string, connection: Connection) => {
    const joining = await topics.prepare(connection, [{ topic, since: null }])
    joining.commit()
    await joining.catchUp()
  }
  /** Joins, with the engine's gate for it open. */
  const joined = async (topic: string, connection: Connection) => {
    const done = join(topic, connection)
    for (const gate of engine.gates) gate.open()
    await done
  }
  return { engine, topics, join, joined }
}

const delivery = (topic: string, except?: string[]): Delivery => (
  { topic, json: '{"type":"x.y"}', isDroppable: true, isCompressible: true, except, position: null })

t.test('the engine is subscribed to a topic for its first member, and unsubscribed with the last', async (t) => {
  const { engine, topics, joined, join } = setUp()
  const a = connection('a').connection
  const b = connection('b').connection
  await joined('x', a)
  await joined('x', a)
  await joined('x', b)
  await joined('y', b)
  t.same(engine.calls, ['subscribe x', 'subscribe y'])
  topics.leave('x', a)
  topics.leave('x', a)
  topics.leave('z', a)
  t.equal(engine.calls.length, 2)
  topics.leave('x', b)
  topics.leave('x', b)
  t.same(engine.calls.slice(2), ['unsubscribe x'])
  const again = join('x', a)
  t.same(engine.calls.slice(3), ['subscribe x'])
  topics.leave('x', a)
  t.equal(engine.calls.length, 4, 'not while somebody is on the way')
  for (const gate of engine.gates) gate.open()
  await again
  t.same(engine.calls.slice(4), ['unsubscribe x'], 'who left on the way is no member')
})

t.test('a join resolves when the engine is subscribed, also for later joins of the topic', async (t) => {
  const { engine, join } = setUp()
  const done: string[] = []
  const first = join('x', connection('a').connection).then(() => done.push('first'))
  const second = join('x', connection('b').connection).then(() => done.push('second'))
  // The other topic's subscription is one turn behind: had they not waited, they would be done before it.
  const other = join('y', connection('c').connection).then(() => done.push('other'))
  engine.gates[1]!.open()
  await other
  t.same(done, ['other'])
  engine.gates[0]!.open()
  await Promise.all([first, second])
  t.same(done, ['other', 'first', 'second'])
  await join('x', connection('d').connection)
})

t.test('an engine that cannot subscribe fails all joins of the topic', async (t) => {
  const { engine, join } = setUp()
  engine.subscribe = () => Promise.reject(new Error('out of reach'))
  const a = connection('a').connection
  await t.rejects(join('x', a), { message: 'out of reach' })
  await t.rejects(join('x', connection('b').connection), { message: 'out of reach' })
})

t.test('a delivery goes to the members of its topic except the excluded ones', async (t) => {
  const { engine, topics, joined } = setUp()
  const [a, b, c] = [connection('a'), connection('b'), connection('c')]
  await joined('x', a.connection)
  await joined('x', b.connection)
  await joined('y', c.connection)
  engine.deliver(delivery('x'))
  engine.deliver(delivery('x', ['b', 'c']))
  engine.deliver(delivery('nobody'))
  t.same([a, b, c].map(({ received }) => received.length), [2, 1, 0])
  t.equal(a.received[0], b.received[0], 'encoded once')
  topics.leave('x', a.connection)
  engine.deliver(delivery('x'))
  t.same([a, b, c].map(({ received }) => received.length), [2, 2, 0], 'delivery can come after leaving')
})

t.test('a connection that has ended becomes a member of nothing', async (t) => {
  const { engine, topics, joined } = setUp()
  await joined('x', connection('a', false).connection)
  t.same(topics.members('x'), [])
  t.same(engine.calls, ['subscribe x', 'unsubscribe x'])
})

t.test('channels() lists channels and no other topics', async (t) => {
  const { topics, joined } = setUp()
  const { connection: a } = connection('a')
  for (const topic of ['all', 'user:channel:x', 'channel:x', 'channel:y']) await joined(topic, a)
  t.same([...topics.channels()], [{ channel: 'x', clients: 1 }, { channel: 'y', clients: 1 }])
  topics.leave('channel:x', a)
  t.same([...topics.channels()], [{ channel: 'y', clients: 1 }])
})

t.test('lost deliveries are announced with a gap frame on topics with history only', async (t) => {
  for (const enabled of [true, false]) {
    const { engine, joined } = setUp({ history: { enabled } })
    const { connection: alice, received } = connection('alice')
    await joined('channel:room', alice)
    engine.break('channel:room', { epoch: 'f', offset: 3 })
    t.same(received.map(({ frame }) => frame.toString().match(/"type":"gap"/)?.length), enabled ? [1] : [])
  }
})

t.test('a delivery or gap of a topic without members has no effect', async (t) => {
  const { engine, topics, joined } = setUp()
  const { connection: alice, received } = connection('alice')
  await joined('channel:room', alice)
  topics.leave('channel:room', alice)
  engine.break('channel:room', { epoch: 'f', offset: 0 })
  engine.deliver(delivery('channel:room'))
  t.same(received, [])
})
