import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { FaultNames } from '../../../lib/engine/redis/access.js'
import { Connectivity } from '../../../lib/engine/redis/connectivity.js'
import { Health } from '../../../lib/engine/redis/health.js'
import { Keys } from '../../../lib/engine/redis/keys.js'
import { Link } from '../../../lib/engine/redis/link.js'
import { FakeClock } from '../../fixtures/fake-clock.js'
import { FakeRedis } from '../../fixtures/fake-redis.js'
import { silent } from '../../fixtures/redis-nodes.js'

/** Two connections that are up, and what is made of them. */
async function connected (t: Test) {
  const clock = new FakeClock(t)
  const clients = [new FakeRedis(), new FakeRedis()] as const
  const [commands, messages] = clients.map((client): Link => {
    const link: Link = new Link(client.factory(), 5_000, silent, { onConnect: async () => {}, onUp: () => connectivity.update(), onDown: () => connectivity.update() })
    t.teardown(() => link.close())
    return link
  }) as [Link, Link]
  const logged: unknown[] = []
  const log = { info: () => {}, warn: (fields: { err: unknown }) => { logged.push(fields.err) } }
  const health = new Health(log as never)
  const outages = { count: 0 }
  const connectivity = new Connectivity(commands, messages, health, new FaultNames(new Keys('p', 0, false), false, 0), () => { outages.count++ })
  t.teardown(() => connectivity.close())
  for (const link of [commands, messages]) link.open()
  while (!connectivity.isUp) await setImmediate()
  outages.count = 0
  return { clock, clients, connectivity, health, logged, outages }
}

t.test('an outage is reported after a moment with its cause, and waiting calls are told', async (t) => {
  const { clock, clients, connectivity, health, logged, outages } = await connected(t)
  t.notOk(connectivity.isDoubtful)
  clients[1].connect = () => new Promise(() => {})
  clients[1].emit('error', new Error('read ECONNRESET'))
  clients[1].emit('end')
  t.ok(connectivity.isDoubtful)
  clock.advance(999)
  t.equal(outages.count, 0)
  clock.advance(1)
  t.equal(outages.count, 1)
  t.match(logged, [{ message: 'read ECONNRESET' }])
  t.equal(health.current.status, 'unavailable')
})

t.test('during an outage another cause of it is reported when an attempt has failed with it', async (t) => {
  const { clock, clients, health } = await connected(t)
  let cause = new Error('connect ECONNREFUSED')
  clients[1].connect = async () => { throw cause }
  clients[1].emit('end')
  const settle = async () => { for (let turn = 0; turn < 10; turn++) await setImmediate() }
  clock.advance(1_000)
  await settle()
  t.strictSame(health.current.reasons, ['unreachable'])
  cause = Object.assign(new Error('WRONGPASS invalid username-password pair or user is disabled.'), { name: 'ReplyError' })
  // Attempts are at most a second apart.
  for (let attempt = 0; attempt < 3; attempt++) {
    clock.advance(1_000)
    await settle()
  }
  t.strictSame(health.current.reasons, ['unreachable', 'access_denied'])
})
