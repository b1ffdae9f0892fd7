import t from 'tap'
import type { Connection } from '../../lib/connection/connection.js'
import type { Engine, Publication } from '../../lib/engine/engine.js'
import { encode } from '../../lib/protocol/encode.js'
import { Topics } from '../../lib/topics/topics.js'
import { Gate } from '../fixtures/gate.js'

/** An engine of which every subscription waits for its gate. */
class SlowEngine {
  readonly calls: string[] = []
  readonly gates: Gate[] = []
  deliver: (publication: Publication) => void = () => {}

  onPublication (listener: (publication: Publication) => void): void {
    this.deliver = listener
  }

  async subscribe (topic: string): Promise<void> {
    const gate = new Gate()
    this.calls.push(`subscribe ${topic}`)
    this.gates.push(gate)
    await gate.wait()
  }

  unsubscribe (topic: string): void {
    this.calls.push(`unsubscribe ${topic}`)
  }
}

/** A connection that keeps what it is sent. */
function connection (id: string, isOpen = true) {
  const received: unknown[] = []
  return { received, connection: { id, isOpen, send: (message: unknown) => received.push(message) } as unknown as Connection }
}

function setUp () {
  const engine = new SlowEngine()
  return { engine, topics: new Topics(engine as unknown as Engine) }
}

t.test('the engine is subscribed for the first member and released with the last', async (t) => {
  const { engine, topics } = setUp()
  const a = connection('a').connection
  const b = connection('b').connection
  topics.join('x', a)
  topics.join('x', a)
  topics.join('x', b)
  topics.join('y', b)
  t.same(engine.calls, ['subscribe x', 'subscribe y'])
  topics.leave('x', a)
  topics.leave('x', a)
  topics.leave('z', a)
  t.equal(engine.calls.length, 2)
  topics.leave('x', b)
  topics.leave('x', b)
  t.same(engine.calls.slice(2), ['unsubscribe x'])
  topics.join('x', a)
  t.same(engine.calls.slice(3), ['subscribe x'])
})

t.test('joining is done when the engine is subscribed, for those who come later, too', async (t) => {
  const { engine, topics } = setUp()
  const done: string[] = []
  const first = topics.join('x', connection('a').connection).then(() => done.push('first'))
  const second = topics.join('x', connection('b').connection).then(() => done.push('second'))
  // The other topic's subscription is one turn behind: had they not waited, they would be done before it.
  const other = topics.join('y', connection('c').connection).then(() => done.push('other'))
  engine.gates[1]!.open()
  await other
  t.same(done, ['other'])
  engine.gates[0]!.open()
  await Promise.all([first, second])
  t.same(done, ['other', 'first', 'second'])
  await topics.join('x', connection('d').connection)
})

t.test('an engine that cannot subscribe fails everybody who joins', async (t) => {
  const { engine, topics } = setUp()
  engine.subscribe = () => Promise.reject(new Error('out of reach'))
  const a = connection('a').connection
  await t.rejects(topics.join('x', a), { message: 'out of reach' })
  await t.rejects(topics.join('x', connection('b').connection), { message: 'out of reach' })
})

t.test('a publication goes to the members of its topic, but not to those who are excepted', async (t) => {
  const { engine, topics } = setUp()
  const [a, b, c] = [connection('a'), connection('b'), connection('c')]
  topics.join('x', a.connection)
  topics.join('x', b.connection)
  topics.join('y', c.connection)
  const message = encode({ type: 'x.y' })
  engine.deliver({ topic: 'x', message })
  engine.deliver({ topic: 'x', message, except: ['b', 'c'] })
  engine.deliver({ topic: 'nobody', message })
  t.same([a, b, c].map(({ received }) => received.length), [2, 1, 0])
  t.equal(a.received[0], message)
  topics.leave('x', a.connection)
  engine.deliver({ topic: 'x', message })
  t.same([a, b, c].map(({ received }) => received.length), [2, 2, 0], 'delivery can come after leaving')
})

t.test('a connection that has ended becomes a member of nothing', async (t) => {
  const { engine, topics } = setUp()
  await topics.join('x', connection('a', false).connection)
  t.equal(topics.members('x').size, 0)
  t.same(engine.calls, [])
})

t.test('channels are counted, other topics are not', async (t) => {
  const { topics } = setUp()
  const { connection: a } = connection('a')
  for (const topic of ['all', 'user:channel:x', 'channel:x', 'channel:y']) topics.join(topic, a)
  t.equal(topics.channelCount, 2)
  topics.leave('channel:x', a)
  t.equal(topics.channelCount, 1)
})
