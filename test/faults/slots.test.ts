import { setTimeout } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { topicsOf, whileMoving } from '../fixtures/moving-slots.js'
import { RedisCluster } from '../fixtures/redis-cluster.js'
import { fault, lengthy, type Figures } from './fault.js'

t.setTimeout(lengthy(3_600_000, 180_000))

const TOPICS = topicsOf(lengthy(300, 30))
const ROUNDS = lengthy(6, 1)

/** Moves slots under load, as often as that. @returns the worst of each figure */
async function rounds (t: Test, move: (cluster: RedisCluster, round: number, channelOf: (topic: string) => string) => Promise<void>): Promise<Figures> {
  const cluster = await RedisCluster.start(t, { replicas: 1, isDurable: true, config: ['--appendfsync', 'always'] })
  const app = new Cluster(cluster.addresses, { lazyConnect: true })
  t.teardown(() => app.disconnect())
  const worst: Figures = {}
  for (let round = 0; round < ROUNDS; round++) {
    const figures = await whileMoving(t, app, TOPICS, (channelOf) => move(cluster, round, channelOf))
    for (const [key, value] of Object.entries(figures)) worst[key] = Math.max(worst[key] ?? 0, value)
  }
  return worst
}

fault('subscriptions: planned CLUSTER FAILOVER under load', async (t) => {
  const figures = await rounds(t, (cluster, round) => cluster.failover(round % 3))
  t.equal(figures.refused, 0)
  return figures
})

fault('subscriptions: a master of a cluster is killed', (t) => rounds(t, async (cluster, round) => {
  const dead = await cluster.killMaster(round % 3)
  await cluster.promoted(round % 3, dead)
  await dead.start()
  await cluster.agreed()
}))

fault('subscriptions: resharding under load', async (t) => {
  const figures = await rounds(t, async (cluster, round, channelOf) => {
    const slots = await Promise.all(TOPICS.map((topic) => cluster.slotOf(channelOf(topic))))
    const shards = await Promise.all(TOPICS.map((topic) => cluster.shardOf(channelOf(topic))))
    await cluster.migrate([...new Set(slots.filter((_, n) => shards[n] === round % 3))], round % 3, (round + 1) % 3)
    await setTimeout(100)
  })
  t.equal(figures.refused, 0)
  return figures
})
