import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { TcpProxy } from '../fixtures/tcp-proxy.js'
import { until } from '../fixtures/until.js'
import { Deployment } from './deployment.js'
import { fault, lengthy, underLoad, type Figures } from './fault.js'
import type { Load, Timed } from './load.js'

t.setTimeout(lengthy(3_600_000, 180_000))

const CALM_MS = lengthy(5_000, 500)
const LEASE_MS = lengthy(15_000, 1_000)

fault('one node\'s link to Redis black-holed', async (t) => {
  let proxy!: TcpProxy
  const deployment = await Deployment.start(t, {
    engine: { leaseMs: LEASE_MS },
    redisPortOfLast: async (t, port) => {
      proxy = await TcpProxy.start(t, port)
      return proxy.port
    }
  })
  const lost = deployment.nodes.length - 1
  const extra: Figures = {}
  const figures = await underLoad(t, deployment, async (load) => {
    await setTimeout(CALM_MS)
    const [near] = deployment.nodes as [typeof deployment.nodes[0]]
    const present = async () => (await Promise.all(load.channels.map((channel) => near.command<{ clients: number }>('presence', channel))))
      .reduce((sum, { clients }) => sum + clients, 0)
    const stay = load.clients.length - await deployment.nodes[lost]!.command<number>('connections')
    t.equal(await present(), load.clients.length)
    const [calmFrom, from] = [performance.now() - CALM_MS, performance.now()]
    proxy.blackHole()
    await until(() => !deployment.isReady(lost))
    extra.unreadyMs = Math.round(performance.now() - from)
    while (await present() > stay) await setTimeout(100)
    extra.presenceGoneMs = Math.round(performance.now() - from)
    const to = performance.now()
    t.ok(deployment.isReady(0) && deployment.isReady(1), 'the others stay ready')
    const others = (since: number, until: number) => load.calls.filter(({ node, at }) => node !== lost && at >= since && at < until)
    extra.othersP99BeforeMs = p99(others(calmFrom, from))
    extra.othersP99Ms = p99(others(from, to))
    t.ok(others(from, to).every(({ error }) => error === null), 'the others answer as ever')
    proxy.heal()
  })
  t.ok(extra.unreadyMs! < 5_000, 'readiness says so')
  t.ok(extra.presenceGoneMs! < LEASE_MS + lengthy(8_000, 4_000), 'its clients are out of presence with its lease')
  return { ...figures, ...extra }
})

fault('kill -9 a node during acknowledged sends', async (t) => {
  const deployment = await Deployment.start(t, { engine: { leaseMs: LEASE_MS } })
  const [victim] = deployment.nodes as [typeof deployment.nodes[0]]
  const extra: Figures = {}
  const figures = await underLoad(t, deployment, async (load) => {
    await setTimeout(CALM_MS)
    const acknowledged = load.channels.flatMap((channel) => [1, 2].map(() => load.publish(`channel:${channel}`, { ack: { timeoutMs: 1_200, tries: 4 } })))
    await setTimeout(50)
    await victim.kill()
    await setTimeout(CALM_MS)
    await victim.start()
    await Promise.all(acknowledged)
    await until(() => load.channels.flatMap((channel) => load.accepted(`channel:${channel}`)).length > 100)
    extra.checkedPublications = await onceInHistory(load, deployment)
  })
  return { ...figures, ...extra }

  /** Whatever was acknowledged to its publisher is kept once, and nothing is kept twice. Resolves to how many those were. */
  async function onceInHistory (load: Load, { nodes }: Deployment): Promise<number> {
    let checked = 0
    for (const channel of load.channels) {
      // What is accepted meanwhile is in no history that was read before.
      const accepted = load.accepted(`channel:${channel}`)
      const { messages } = await nodes[1]!.command<{ messages: { producer: string, n: number }[] }>('history', channel)
      const counts = new Map<string, number>()
      for (const { producer, n } of messages) counts.set(`${producer} ${n}`, (counts.get(`${producer} ${n}`) ?? 0) + 1)
      const wrong = accepted.filter(({ producer, n }) => counts.get(`${producer} ${n}`) !== 1)
      if (wrong.length > 0 || [...counts.values()].some((count) => count > 1)) t.fail(`${channel}: ${JSON.stringify(wrong)}`)
      checked += accepted.length
    }
    return checked
  }
})

fault('rolling restart of three nodes', async (t) => {
  const windowMs = lengthy(10_000, 1_000)
  const [timeoutMs, closeTimeoutMs] = [lengthy(10_000, 2_000), 3_000]
  const deployment = await Deployment.start(t, { options: { drain: { windowMs, timeoutMs }, closeTimeoutMs } })
  const extra: Figures = { exitMs: 0, busiestTenthPercent: 0 }
  const figures = await underLoad(t, deployment, async (load) => {
    for (const [index, node] of deployment.nodes.entries()) {
      await setTimeout(CALM_MS)
      const told = load.toldToReturn.length
      const exitMs = await node.terminate()
      extra.exitMs = Math.max(extra.exitMs!, Math.round(exitMs))
      await node.start()
      const afterMs = load.toldToReturn.slice(told)
      const tenths = Array.from({ length: 10 }, (_, tenth) => afterMs.filter((ms) => Math.floor(ms * 10 / (windowMs + 1)) === tenth).length)
      extra.busiestTenthPercent = Math.max(extra.busiestTenthPercent!, Math.round(Math.max(...tenths) * 100 / afterMs.length))
      t.ok(afterMs.length >= load.clients.length / 10, `the clients of node ${index} are told when to come back`)
      // Else the next restart finds some that are on their way.
      await Promise.all(load.clients.map((client) => client.until(() => client.isEntered, 60_000)))
      await deployment.allReady()
    }
  })
  t.ok(extra.exitMs! < timeoutMs + closeTimeoutMs + 1_000, 'each is gone in time')
  t.ok(extra.busiestTenthPercent! < lengthy(20, 60), 'their return is spread')
  return { ...figures, ...extra }
})

/** Of the answers that are no failure, milliseconds. */
function p99 (calls: readonly Timed[]): number {
  const sorted = calls.map(({ ms }) => ms).sort((a, b) => a - b)
  return Math.round(sorted[Math.floor(sorted.length * 0.99)]!)
}
