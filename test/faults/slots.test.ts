import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { topicsOf, whileMoving } from '../fixtures/moving-slots.js'
import { RedisCluster } from '../fixtures/redis-cluster.js'
import { fault, lengthy, type Figures } from './fault.js'

t.setTimeout(lengthy(3_600_000, 180_000))

const TOPICS = topicsOf(lengthy(300, 30))
const ROUNDS = lengthy(6, 1)
/** How many of the topics' slots are moved in a round. */
const MOVED = lengthy(30, 10)

/** One cluster for all rows: each leaves it whole. */
let started: Promise<{ cluster: RedisCluster, app: Cluster }> | null = null
const onCluster = () => (started ??= start())

async function start (): Promise<{ cluster: RedisCluster, app: Cluster }> {
  const cluster = await RedisCluster.start(t, { replicas: 1, isDurable: true, config: ['--appendfsync', 'always'] })
  const app = new Cluster(cluster.addresses, { lazyConnect: true })
  t.teardown(() => app.disconnect())
  return { cluster, app }
}

/** Moves slots under load, as often as that. @returns the worst of each figure */
async function rounds (t: Test, move: (cluster: RedisCluster, shard: number, channelOf: (topic: string) => string) => Promise<void>): Promise<Figures> {
  const { cluster, app } = await onCluster()
  const worst: Figures = {}
  for (let round = 0; round < ROUNDS; round++) {
    const figures = await whileMoving(t, app, TOPICS, (channelOf) => move(cluster, round % 3, channelOf))
    for (const [key, value] of Object.entries(figures)) worst[key] = Math.max(worst[key] ?? 0, value)
  }
  return worst
}

fault('subscriptions: planned CLUSTER FAILOVER under load', async (t) => {
  const figures = await rounds(t, (cluster, shard) => cluster.failover(shard))
  t.equal(figures.refused, 0)
  return figures
})

fault('subscriptions: resharding under load', async (t) => {
  const figures = await rounds(t, async (cluster, shard, channelOf) => {
    const slots = await Promise.all(TOPICS.map((topic) => cluster.slotOf(channelOf(topic))))
    const shards = await Promise.all(TOPICS.map((topic) => cluster.shardOf(channelOf(topic))))
    const theirs = new Set(slots.filter((_, n) => shards[n] === shard))
    await cluster.migrate([...theirs].slice(0, MOVED), shard, (shard + 1) % 3)
  })
  t.equal(figures.refused, 0)
  return figures
})

// What is refused meanwhile says so; the rest is there.
for (const name of lengthy(['subscriptions: a master of a cluster is killed'], [])) {
  fault(name, (t) => rounds(t, async (cluster, shard) => {
    const dead = await cluster.killMaster(shard)
    await cluster.promoted(shard, dead)
    await dead.start()
    await cluster.agreed()
  }))
}
