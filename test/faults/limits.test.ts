import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { until } from '../fixtures/until.js'
import { Deployment } from './deployment.js'
import { lengthyFault, nearlyAllRecovered, settledInTime, underLoad, type Figures } from './fault.js'

t.setTimeout(7_200_000)

const CALM_MS = 3_000
const FULL_MS = 10_000

lengthyFault('maxmemory is reached', async (t) => {
  const deployment = await Deployment.start(t)
  const { nodes, redis: { admin } } = deployment
  const extra: Figures = {}
  const figures = await underLoad(t, deployment, async (load) => {
    load.crowd.leave(0)
    await setTimeout(CALM_MS)
    const { opened } = load
    const usedBytes = Number(/used_memory:(\d+)/.exec(await admin.info('memory'))![1])
    await admin.config('SET', 'maxmemory', Math.floor(usedBytes / 2))
    const fullFrom = performance.now()
    const degraded = () => [...nodes.keys()].filter((index) => deployment.readiness(index).status === 'degraded')
    await until(() => degraded().length === nodes.length, {
      withinMs: 30_000, missing: () => `the nodes that are degraded are ${degraded().join()}; ${JSON.stringify(deployment.readiness(0))}`
    })
    extra.degradedMs = Math.round(performance.now() - fullFrom)
    for (const index of nodes.keys()) {
      const { isOpen, reasons } = deployment.readiness(index)
      t.ok(isOpen && reasons.length > 0, `node ${index} stays open for what works: ${reasons.join()}`)
    }
    await setTimeout(FULL_MS)
    t.ok(degraded().length === nodes.length, 'the nodes stay degraded')
    t.equal(load.opened, opened, 'all sockets stay open')
    t.ok(load.crowd.staying.every((client) => client.isDegraded), 'all clients are told')
    await admin.config('SET', 'maxmemory', 0)
    const wellFrom = performance.now()
    await deployment.allReady()
    extra.wellMs = Math.round(performance.now() - wellFrom)
    await setTimeout(CALM_MS)
    await load.crowd.comeBack()
    t.ok(load.clients.every((client) => !client.isDegraded), 'all clients are told that it is over')
  })
  nearlyAllRecovered(t, figures)
  t.ok(figures.refused! > 0, 'publications are refused meanwhile')
  t.ok(extra.degradedMs! <= 5_000 + figures.delayMs!, 'readiness says so')
  t.ok(settledInTime(figures), 'every call settles in time')
  return { ...figures, ...extra }
})
