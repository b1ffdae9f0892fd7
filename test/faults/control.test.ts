import { setTimeout } from 'node:timers/promises'
import root from 'tap'
import { TcpProxy } from '../fixtures/tcp-proxy.js'
import { Deployment } from './deployment.js'
import { fault, lengthy, lengthyFault, loadReport } from './fault.js'
import type { Load } from './load.js'

root.setTimeout(lengthy(600_000, 180_000))

/*
 * The same faults, eyes and clients without a history must find losses: else the other runs prove nothing.
 */
const faults: Record<string, (deployment: Deployment, load: Load) => Promise<void>> = {
  'CLIENT KILL TYPE pubsub': async ({ redis }) => {
    for (let kill = 0; kill < lengthy(40, 10); kill++) {
      await setTimeout(150)
      await redis.admin.client('KILL', 'TYPE', 'pubsub')
    }
  },
  'kill -9 a node': async ({ nodes }) => {
    await nodes[0]!.kill()
    await setTimeout(lengthy(2_000, 1_000))
    await nodes[0]!.start()
  }
}

let deployment: Promise<Deployment> | null = null

for (const [name, act] of Object.entries(faults)) {
  fault(`control: ${name} without a history`, async (t) => {
    const silent = await (deployment ??= Deployment.start(root, { options: { history: { enabled: false } }, engine: { leaseMs: 1_000 } }))
    const { published, delivered, silentlyLost } = await loadReport(silent, async (load) => {
      await act(silent, load)
      // Else the messages that end the run are lost as well, for which nobody would look.
      await setTimeout(lengthy(5_000, 1_000))
    })
    t.ok(silentlyLost > 0, 'the checker finds losses')
    return { published, delivered, silentlyLost }
  })
}

// Whoever comes back is told that it has missed nothing. Those who were there all the time hear the truth.
lengthyFault('control: return to an RDB snapshot, and "recovered: true" for everybody', async (t) => {
  const deployment = await Deployment.start(t)
  const proxies = new Map(await Promise.all(deployment.origins.map(async (origin) => {
    const proxy = await TcpProxy.start(t, Number(new URL(origin).port))
    proxy.falsify((chunk) => Buffer.from(chunk.toString('latin1').replaceAll('"recovered":false', '"recovered": true'), 'latin1'))
    return [origin, `http://127.0.0.1:${proxy.port}`] as const
  })))
  const { redis } = deployment
  const { published, delivered, silentlyLost, falselyRecovered, returning } = await loadReport(deployment, async ({ crowd }) => {
    await redis.admin.save()
    await setTimeout(3_000)
    crowd.leave(0)
    await setTimeout(3_000)
    await redis.kill()
    await redis.start()
    await deployment.allReady()
    await setTimeout(3_000)
    await crowd.comeBack()
  }, { via: (origin) => proxies.get(origin)! })
  t.ok(silentlyLost > 0 && falselyRecovered > 0, 'the checker finds what clients lost that were away')
  return { published, delivered, silentlyLost, falselyRecovered, returning }
})
