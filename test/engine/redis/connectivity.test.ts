import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { FaultNames } from '../../../lib/engine/redis/access.js'
import { Connectivity } from '../../../lib/engine/redis/connectivity.js'
import { Health } from '../../../lib/engine/redis/health.js'
import { Keys } from '../../../lib/engine/redis/keys.js'
import { Link } from '../../../lib/engine/redis/link.js'
import { FakeClock } from '../../fixtures/fake-clock.js'
import { FakeRedis } from '../../fixtures/fake-redis.js'
import { silent } from '../../fixtures/redis-nodes.js'

t.test('an outage is reported after a moment with its cause, and waiting calls are told', async (t) => {
  const clock = new FakeClock(t)
  const clients = [new FakeRedis(), new FakeRedis()]
  const [commands, messages] = clients.map((client): Link => {
    const link: Link = new Link(client.factory(), 5_000, silent, { onConnect: async () => {}, onUp: () => connectivity.update(), onDown: () => connectivity.update() })
    t.teardown(() => link.close())
    return link
  }) as [Link, Link]
  const logged: unknown[] = []
  const log = { info: () => {}, warn: (fields: { err: unknown }) => { logged.push(fields.err) } }
  const health = new Health(log as never)
  const connectivity = new Connectivity(commands, messages, health, new FaultNames(new Keys('p', 0, false), false, 0), () => { outages++ })
  let outages = 0
  for (const link of [commands, messages]) link.open()
  while (!connectivity.isUp) await setImmediate()
  t.notOk(connectivity.isDoubtful)
  outages = 0
  clients[1]!.connect = () => new Promise(() => {})
  clients[1]!.emit('error', new Error('read ECONNRESET'))
  clients[1]!.emit('end')
  t.ok(connectivity.isDoubtful)
  clock.advance(999)
  t.equal(outages, 0)
  clock.advance(1)
  t.equal(outages, 1)
  t.match(logged, [{ message: 'read ECONNRESET' }])
  t.equal(health.current.status, 'unavailable')
  connectivity.close()
})
