import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { logSize, tearLog } from '../fixtures/append-only-file.js'
import type { RedisServer } from '../fixtures/redis.js'
import { LASTING_TICKETS, whileAway } from './absence.js'
import { Deployment } from './deployment.js'
import { fault, lengthy, lengthyFault, nearlyAllRecovered } from './fault.js'

t.setTimeout(lengthy(7_200_000, 180_000))

const ALWAYS = { isDurable: true, config: ['--appendfsync', 'always'] }

async function crash (redis: RedisServer): Promise<void> {
  await redis.kill()
  await setTimeout(300)
  await redis.start()
}

/** Nobody is left who has seen the server of before. */
async function crashWithNodes (deployment: Deployment): Promise<void> {
  await deployment.killNodes()
  await crash(deployment.redis)
  await deployment.restartNodes()
}

fault('return to an RDB snapshot', async (t) => {
  const deployment = await Deployment.start(t, { options: LASTING_TICKETS })
  const { redis } = deployment
  return whileAway(t, deployment, { isLossless: false, begin: () => redis.admin.save(), act: () => crash(redis) })
})

lengthyFault('loss of power, AOF with appendfsync everysec', async (t) => {
  const deployment = await Deployment.start(t, { redis: { isDurable: true, config: ['--appendfsync', 'everysec'] }, options: LASTING_TICKETS })
  const { redis } = deployment
  let goneBytes = 0
  const figures = await whileAway(t, deployment, {
    isLossless: false,
    act: async () => {
      // So much the disk may be behind.
      const certain = await logSize(redis)
      await setTimeout(2_000)
      await redis.kill()
      goneBytes = await tearLog(redis, certain)
      await redis.start()
    }
  })
  t.ok(goneBytes > 0, 'something is lost')
  return { ...figures, goneBytes }
})

lengthyFault('kill -9 redis-server, AOF with appendfsync always, clients away', async (t) => {
  const deployment = await Deployment.start(t, { redis: ALWAYS, options: LASTING_TICKETS })
  const figures = await whileAway(t, deployment, { isLossless: true, act: () => crash(deployment.redis) })
  nearlyAllRecovered(t, figures)
  return figures
})

lengthyFault('all nodes and their Redis end together, RDB', async (t) => {
  const deployment = await Deployment.start(t, { options: LASTING_TICKETS })
  return whileAway(t, deployment, { isLossless: false, begin: () => deployment.redis.admin.save(), act: () => crashWithNodes(deployment) })
})

// Nothing is lost, but nobody is left who could know.
lengthyFault('all nodes and their Redis end together, AOF with appendfsync always', async (t) => {
  const deployment = await Deployment.start(t, { redis: ALWAYS, options: LASTING_TICKETS })
  return whileAway(t, deployment, { isLossless: false, act: () => crashWithNodes(deployment) })
})
