import { randomUUID } from 'node:crypto'
import { Cluster } from 'ioredis'
import t from 'tap'
import type { RedisEngineOptions } from '../../../lib/engine/redis/options.js'
import { redis } from '../../../lib/engine/redis/redis.js'
import { client, engineSuite, KEPT, listening, numberOf, publication, taken, type BuildEngine } from '../../fixtures/engine-suite.js'
import { RedisCluster } from '../../fixtures/redis-cluster.js'
import { silent } from '../../fixtures/redis-nodes.js'
import { until } from '../../fixtures/until.js'

const { ports } = await RedisCluster.start(t)
const app = new Cluster(ports.map((port) => ({ host: '127.0.0.1', port })), { lazyConnect: true })
t.teardown(() => app.disconnect())

const builder = (options: Partial<RedisEngineOptions>): BuildEngine => (engine) => redis(app, { prefix: randomUUID(), ...options })({ ...engine, log: silent })

t.test('on a Redis Cluster the engine fulfils the engine contract', (t) => engineSuite(t, builder({})))

t.test('nodes on a Redis Cluster share streams, presence and questions', async (t) => {
  const build = builder({ prefix: randomUUID() })
  const [a, b] = [await listening(t, build), await listening(t, build)]
  const topics = Array.from({ length: 20 }, (_, n) => `channel:${n}`)
  await Promise.all(topics.map((topic) => b.engine.subscribe(topic)))
  await Promise.all(topics.map((topic, n) => a.engine.publish(publication(topic, { n }), KEPT)))
  await until(() => b.deliveries.all.length === 20)
  t.strictSame(new Set(b.deliveries.all.map(numberOf)), new Set(topics.keys()))
  await a.engine.presence.add('7', client('c1', 'alice'))
  t.strictSame(await taken(b.changes, 1), ['alice joined 7'])
  b.engine.cluster.onAsk('sum', (data) => data)
  t.match(await a.engine.cluster.ask('sum', 5, 5_000), { answers: [{ data: 5 }], missing: [] })
})
