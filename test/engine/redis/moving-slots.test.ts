import { Cluster } from 'ioredis'
import t from 'tap'
import { topicsOf, whileMoving } from '../../fixtures/moving-slots.js'
import { RedisCluster } from '../../fixtures/redis-cluster.js'

const cluster = await RedisCluster.start(t, { replicas: 1 })
const app = new Cluster(cluster.addresses, { lazyConnect: true })
t.teardown(() => app.disconnect())

const TOPICS = topicsOf(30)

t.test('subscriptions follow a planned failover', async (t) => {
  t.match(await whileMoving(t, app, TOPICS, () => cluster.failover(0)), { refused: 0 })
})

t.test('subscriptions follow slots that are moved to another shard', async (t) => {
  const figures = await whileMoving(t, app, TOPICS, async (channelOf) => {
    const slots = await Promise.all(TOPICS.map((topic) => cluster.slotOf(channelOf(topic))))
    const shards = await Promise.all(TOPICS.map((topic) => cluster.shardOf(channelOf(topic))))
    await cluster.migrate(slots.filter((_, n) => shards[n] === 1), 1, 2)
  })
  t.match(figures, { refused: 0 })
})
