import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Commands } from '../../../lib/engine/redis/commands.js'
import { Deadline } from '../../../lib/engine/redis/deadline.js'
import { refuseEviction } from '../../../lib/engine/redis/eviction.js'
import { Link } from '../../../lib/engine/redis/link.js'
import { FakeClock } from '../../fixtures/fake-clock.js'
import { FakeRedis } from '../../fixtures/fake-redis.js'
import { Gate } from '../../fixtures/gate.js'
import { silent } from '../../fixtures/redis-nodes.js'

t.test('a link that is closed while its connection is prepared does not come up', async (t) => {
  const client = new FakeRedis()
  const gate = new Gate()
  const heard: string[] = []
  const link = new Link(client.factory(), 5_000, silent, {
    onConnect: () => gate.wait(),
    onUp: () => { heard.push('up') },
    onDown: () => { heard.push('down') }
  })
  link.open()
  await gate.reached
  const ready = t.rejects(link.ready(new Deadline(5_000)), { code: 'WSM_ERR_UNAVAILABLE', message: /closed/ })
  link.close()
  gate.open()
  await ready
  await setImmediate()
  t.strictSame([heard, link.isUp, client.isDisconnected], [[], false, true])
})

/** A link on a connection that the test answers for. */
function linkOf (t: Test, client: FakeRedis): Link {
  const link = new Link(client.factory(), 5_000, silent, { onConnect: async () => {}, onUp: () => {}, onDown: () => {} })
  t.teardown(() => link.close())
  return link
}

t.test('a link that cannot connect keeps the reason, and retries', async (t) => {
  const client = new FakeRedis()
  const link = linkOf(t, client)
  const refusal = new Error('connect ECONNREFUSED')
  let tries = 0
  client.connect = async () => { if (++tries < 3) throw refusal }
  link.open()
  await t.rejects(link.ready(new Deadline(0)), { code: 'WSM_ERR_UNAVAILABLE', message: /there is no connection/, cause: refusal })
  await link.opened(new Deadline(5_000))
  t.equal(tries, 3)
  t.equal(link.failure, null)
})

t.test('a link that waits for its first connection has no failure reason', async (t) => {
  const client = new FakeRedis()
  client.connect = () => new Promise(() => {})
  const link = linkOf(t, client)
  link.open()
  await t.rejects(link.ready(new Deadline(1)), { code: 'WSM_ERR_UNAVAILABLE', message: /in time/, cause: undefined })
})

t.test('a link that is closed while it waits for a retry does not retry', async (t) => {
  const clock = new FakeClock(t)
  const client = new FakeRedis()
  const link = linkOf(t, client)
  let tries = 0
  client.connect = async () => {
    tries++
    throw new Error('connect ECONNREFUSED')
  }
  link.open()
  while (link.failure === null) await setImmediate()
  link.close()
  clock.advance(60_000)
  t.equal(tries, 1)
})

t.test('attempts to connect become rarer, down to one a second, until one succeeds', async (t) => {
  const clock = new FakeClock(t)
  t.intercept(Math, 'random', { value: () => 1 })
  const client = new FakeRedis()
  const link = linkOf(t, client)
  let tries = 0
  const pauses: number[] = []
  client.connect = async () => { if (++tries < 9 || tries === 10) throw new Error('connect ECONNREFUSED') }
  const pause = async () => {
    const before = tries
    for (let ms = 20; ; ms += 20) {
      clock.advance(20)
      for (let n = 0; n < 5; n++) await setImmediate()
      if (tries > before) return pauses.push(ms)
    }
  }
  link.open()
  while (link.failure === null) await setImmediate()
  while (!link.isUp) await pause()
  t.strictSame(pauses, [20, 40, 80, 160, 320, 640, 1_000, 1_000])
  client.emit('end')
  await pause()
  await pause()
  t.strictSame(pauses.slice(8), [20, 40], 'and begin again at the next loss')
})

t.test('a refused ping keeps the connection, an unanswered one drops it', async (t) => {
  const clock = new FakeClock(t)
  const client = new FakeRedis()
  const link = linkOf(t, client)
  client.answer = async () => { throw Object.assign(new Error('NOPERM'), { name: 'ReplyError' }) }
  link.open()
  while (!link.isUp) await setImmediate()
  for (let n = 1; n <= 3; n++) {
    clock.advance(1_000)
    await setImmediate()
    t.equal(client.calls.length, n)
  }
  t.ok(link.isUp)
  client.answer = async () => { throw new Error('Connection is closed.') }
  clock.advance(1_000)
  await setImmediate()
  t.notOk(link.isUp)
})

t.test('while the server is silent, and until all nodes can be back, others may lack their connections', async (t) => {
  const clock = new FakeClock(t)
  const client = new FakeRedis()
  const link = linkOf(t, client)
  let answers: ((pong: string) => void)[] = []
  client.answer = () => new Promise((resolve) => answers.push(resolve))
  const answer = async () => {
    for (const resolve of answers) resolve('PONG')
    answers = []
    for (let n = 0; n < 5; n++) await setImmediate()
  }
  link.open()
  while (!link.isUp) await setImmediate()
  t.notOk(link.isDoubtful)
  clock.advance(1_000)
  clock.advance(2_499)
  t.notOk(link.isDoubtful)
  await answer()
  t.notOk(link.isDoubtful, 'it has answered just in time')
  clock.advance(1_000)
  clock.advance(2_500)
  t.ok(link.isDoubtful, 'silent')
  await answer()
  t.ok(link.isDoubtful)
  for (let waited = 0; waited < 5; waited++) {
    clock.advance(1_000)
    t.ok(link.isDoubtful)
    await answer()
  }
  clock.advance(1_000)
  t.notOk(link.isDoubtful)
})

t.test('while this connection is lost, and as long again, others may lack theirs; the cause is kept until then', async (t) => {
  const clock = new FakeClock(t)
  const client = new FakeRedis()
  const link = linkOf(t, client)
  link.open()
  while (!link.isUp) await setImmediate()
  const ends = [() => client.emit('end'), () => {
    client.emit('error', new Error('read ECONNRESET'))
    client.emit('end')
  }]
  for (const [at, message] of ['the connection was closed', 'read ECONNRESET'].entries()) {
    ends[at]!()
    t.ok(link.isDoubtful)
    t.match(link.failure, { message })
    clock.advance(20)
    while (!link.isUp) await setImmediate()
    t.equal(link.failure, null)
    clock.advance(900)
    t.ok(link.isDoubtful)
    for (let waited = 0; waited < 7; waited++) {
      clock.advance(900)
      for (let n = 0; n < 5; n++) await setImmediate()
    }
    t.notOk(link.isDoubtful)
  }
})

t.test('a refused call is unavailable even without a listener for faults', async (t) => {
  const client = new FakeRedis()
  const link = linkOf(t, client)
  const refusal = Object.assign(new Error('ERR no'), { name: 'ReplyError' })
  client.answer = async () => { throw refusal }
  link.open()
  await t.rejects(new Commands(link, 5_000).call('get', 'a'), { code: 'WSM_ERR_UNAVAILABLE', cause: refusal })
})

t.test('a server that does not tell its eviction policy is unavailable', async (t) => {
  const client = new FakeRedis()
  const link = linkOf(t, client)
  link.open()
  const broken = new Error('Connection is closed.')
  client.answer = async () => { throw broken }
  await t.rejects(refuseEviction(link, new Deadline(5_000)), { code: 'WSM_ERR_UNAVAILABLE', cause: broken })
  client.answer = () => new Promise(() => {})
  await t.rejects(refuseEviction(link, new Deadline(10)), { code: 'WSM_ERR_UNAVAILABLE', message: /in time/ })
})
