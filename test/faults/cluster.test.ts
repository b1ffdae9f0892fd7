import t, { type Test } from 'tap'
import { RedisCluster } from '../fixtures/redis-cluster.js'
import { LASTING_TICKETS, whileAway } from './absence.js'
import { Deployment } from './deployment.js'
import { fault, lengthy, lengthyFault, nearlyAllRecovered, type Figures } from './fault.js'
import type { Load } from './load.js'

t.setTimeout(lengthy(7_200_000, 180_000))

/** How many channels move to another shard. */
const MOVED = 100

interface Move {
  isLossless: boolean
  begin?: (redis: RedisCluster) => Promise<unknown>
  act: (redis: RedisCluster, load: Load) => Promise<unknown>
}

/** Shards change their servers, or slots their shards. Subscriptions are to follow them within a second. */
async function move (t: Test, { isLossless, begin, act }: Move): Promise<Figures> {
  const redis = await RedisCluster.start(t, { replicas: 1 })
  const deployment = await Deployment.startOn(t, { cluster: redis.ports }, { options: LASTING_TICKETS })
  const figures = await whileAway(t, deployment, {
    isLossless,
    begin: async () => begin?.(redis),
    act: (load) => act(redis, load),
    after: async (load) => ({ deliveryMs: await load.slowestDelivery() }),
    // Of what is not kept nobody learns later that it was missed.
    end: async (load) => ({ unkeptDeliveryMs: await load.slowestDelivery({ history: false }) })
  })
  const { deliveryMs, unkeptDeliveryMs, delayMs } = figures as Record<string, number>
  t.ok(Math.max(deliveryMs!, unkeptDeliveryMs!) <= 1_000 + delayMs!, `subscriptions have followed: ${deliveryMs} ms, what is not kept ${unkeptDeliveryMs} ms`)
  return figures
}

fault('CLUSTER FAILOVER of a shard, planned', async (t) => {
  const figures = await move(t, { isLossless: true, act: (redis) => redis.failover(0) })
  nearlyAllRecovered(t, figures)
  return figures
})

lengthyFault('kill -9 the master of a shard, its replica lags behind', async (t) => move(t, {
  isLossless: false,
  begin: (redis) => redis.pauseReplication(0),
  act: async (redis) => {
    const master = await redis.killMaster(0)
    await redis.promoted(0, master)
    await redis.resumeReplication()
    // It comes back as a replica.
    await master.start()
    await redis.agreed()
  }
}))

lengthyFault(`slots of ${MOVED} channels move to another shard`, async (t) => {
  const figures = await move(t, {
    isLossless: true,
    act: async (redis, { channels }) => {
      const slots = await Promise.all(channels.slice(0, MOVED).map(async (channel) => redis.slotOf(`{channel:${channel}}`)))
      const shards = await Promise.all(channels.slice(0, MOVED).map(async (channel) => redis.shardOf(`{channel:${channel}}`)))
      for (let from = 0; from < 3; from++) {
        await redis.migrate([...new Set(slots.filter((_, n) => shards[n] === from))], from, (from + 1) % 3)
      }
    }
  })
  nearlyAllRecovered(t, figures)
  return figures
})
