import t from 'tap'
import { client, KEPT, listening, publication, taken } from '../../fixtures/engine-suite.js'
import { nodesOf } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { until } from '../../fixtures/until.js'

t.test('nodes that all lost their leases do not declare each other dead', async (t) => {
  const server = await RedisServer.start(t)
  const build = nodesOf(server.port, { leaseMs: 600 })
  const nodes = [await listening(t, build), await listening(t, build), await listening(t, build)]
  const [a, b] = nodes as [typeof nodes[0], typeof nodes[0]]
  await a.engine.subscribe('channel:room')
  await b.engine.presence.add('room', client('c1', 'alice'))
  t.strictSame(await taken(a.changes, 1), ['alice joined room'])
  for (let outage = 1; outage <= 2; outage++) {
    await server.admin.config('SET', 'min-replicas-to-write', '1')
    await until(() => nodes.every(({ engine }) => engine.cluster.availability.status === 'degraded'))
    // Longer than any lease: until Redis itself has none that is not over.
    const leases = (await server.admin.keys('*:leases'))[0]!
    await until(async () => (await server.admin.zrange(leases, 0, -1, 'WITHSCORES')).every((score, i) => i % 2 === 0 || Number(score) < Date.now()))
    await server.admin.config('SET', 'min-replicas-to-write', '0')
    await until(() => nodes.every(({ engine }) => engine.cluster.availability.status === 'ready'))
  }
  await a.engine.publish(publication('channel:room'), KEPT)
  await a.deliveries.next()
  t.strictSame(a.changes.all.map(({ kind }) => kind), ['joined'])
  t.strictSame(await a.engine.presence.list('room'), [{ client_id: 'c1', user_id: 'alice' }])
})

t.test('a call that Redis refuses is noticed long before the next regular probe', async (t) => {
  const server = await RedisServer.start(t)
  const { engine } = await listening(t, nodesOf(server.port, { leaseMs: 180_000 }))
  await server.admin.config('SET', 'min-replicas-to-write', '1')
  await t.rejects(engine.tickets.put('key', { id: 'alice', claims: {}, expiresAt: null, issuedAt: null, jti: null }, engine.clock.now() + 10_000), { code: 'WSM_ERR_UNAVAILABLE' })
  // The regular one comes a minute later.
  await until(() => engine.cluster.availability.status === 'degraded', { withinMs: 20_000 })
  t.match(engine.cluster.availability.reasons, ['writes_refused'])
})
