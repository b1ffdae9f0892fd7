import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { until } from '../fixtures/until.js'
import { Deployment } from './deployment.js'
import { fault, lengthy, underLoad } from './fault.js'
import type { Load } from './load.js'
import { wrongPresence } from './wrong-presence.js'

t.setTimeout(lengthy(3_600_000, 180_000))

const ROUNDS = lengthy(20, 2)
/** How long nodes may take to agree on who is there, when all is well again. */
const SETTLED_MS = 30_000

/** Waits until every node knows who is there; resolves to how long that took, milliseconds. */
async function presenceIsTrue (load: Load, deployment: Deployment): Promise<number> {
  const from = performance.now()
  await until(async () => {
    const wrong = await wrongPresence(load, deployment).catch((error: Error) => [error.message])
    if (wrong.length > 0 && performance.now() - from > SETTLED_MS) throw new Error(`after ${SETTLED_MS} ms ${wrong.slice(0, 5).join(', ')}, and so on: ${wrong.length}`)
    return wrong.length === 0
  })
  return performance.now() - from
}

for (const leaseMs of lengthy([1_000, 2_000, 3_000], [1_000])) {
  fault(`SIGSTOP redis-server about as long as a lease of ${leaseMs / 1_000} s, ${ROUNDS} times`, async (t) => {
    const deployment = await Deployment.start(t, { engine: { leaseMs, checkMs: 500 } })
    let presenceTrueMs = 0
    const figures = await underLoad(t, deployment, async (load) => {
      for (let round = 0; round < ROUNDS; round++) {
        deployment.redis.pause()
        await setTimeout(leaseMs * (0.8 + 0.5 * round / Math.max(1, ROUNDS - 1)))
        deployment.redis.resume()
        presenceTrueMs = Math.max(presenceTrueMs, Math.round(await presenceIsTrue(load, deployment)))
        // At another moment between two renewals each time.
        await setTimeout(leaseMs * (0.5 + Math.random()))
      }
    })
    t.ok(presenceTrueMs < 10_000 + figures.delayMs!, 'soon everybody knows who is there')
    return { ...figures, presenceTrueMs }
  })
}
