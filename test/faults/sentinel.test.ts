import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { RedisSentinel } from '../fixtures/redis-sentinel.js'
import { LASTING_TICKETS, whileAway } from './absence.js'
import { Deployment } from './deployment.js'
import { lengthyFault, type Figures } from './fault.js'

t.setTimeout(7_200_000)

interface Promotion {
  /** From here on the replica may be behind. */
  begin?: (redis: RedisSentinel) => Promise<unknown>
  promote: (redis: RedisSentinel) => Promise<unknown>
}

/** Another server becomes the master. Replication is asynchronous: what it has not heard of is lost. */
async function promotion (t: Test, { begin, promote }: Promotion): Promise<Figures> {
  const redis = await RedisSentinel.start(t)
  const { sentinels, name } = redis.connection
  const deployment = await Deployment.startOn(t, { sentinels: sentinels.map(({ port }) => port), name }, { options: LASTING_TICKETS })
  return whileAway(t, deployment, {
    isLossless: false,
    begin: async () => begin?.(redis),
    act: async () => {
      await promote(redis)
      await redis.heal()
    }
  })
}

lengthyFault('SENTINEL FAILOVER, planned', async (t) => promotion(t, { promote: (redis) => redis.failover() }))

lengthyFault('kill -9 the master under Sentinels, its replica lags behind', async (t) => promotion(t, {
  begin: (redis) => redis.pauseReplication(),
  promote: async (redis) => {
    const master = await redis.killMaster()
    await redis.promoted(master)
    // It comes back as a replica.
    await master.start()
  }
}))

// The nodes reach it all the time, and it is a master until it is let in again.
lengthyFault('a master cut off from Sentinels and replicas takes writes for 5 s', async (t) => promotion(t, {
  promote: async (redis) => {
    await redis.promoted(await redis.isolate())
    await setTimeout(5_000)
  }
}))
