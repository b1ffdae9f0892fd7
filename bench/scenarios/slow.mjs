import { residentBytes, settled } from '../process-usage.mjs'
import { plans } from '../shared/plans.mjs'
import { interleaved } from './rounds.mjs'

const MB = 1e6

/**
 * The app sends 40 000 blocks of 10 KiB to one user within four seconds, and to everybody a message 40 times a second.
 * That user's socket does not read; in the runs `without` it, it is not there, and the app does the same. Both policies,
 * limits as they come, a process for every round.
 */
export const slow = {
  name: 'slow',
  title: 'one of 1000 sockets does not read, 40 000 × 10 KiB to it; the figures are those of the others',
  peers: ['without', 'disconnect', 'drop'],
  isOwnOnly: true,
  figures: [
    { name: 'peakGrowth', title: 'MB peak growth', better: 'less' },
    { name: 'settledGrowth', title: 'MB left' },
    { name: 'p50', title: 'p50 ms', better: 'less' },
    { name: 'p99', title: 'p99 ms', better: 'less' },
    { name: 'max', title: 'max ms' },
    { name: 'slowDisconnects', title: 'cut' },
    { name: 'dropped', title: 'dropped' }
  ],
  targets: [
    { of: 'disconnect', figure: 'settledGrowth', mostValue: 16, unit: 'MB' },
    { of: 'drop', figure: 'settledGrowth', mostValue: 16, unit: 'MB' },
    { of: 'disconnect', figure: 'p99', peer: 'without', most: 1.10 },
    { of: 'drop', figure: 'p99', peer: 'without', most: 1.10 }
  ],
  async run (bench, variants) {
    const { rounds, isQuick } = bench.options
    const ticks = plans.slow.ticksPerSecond * (isQuick ? 1 : 4)
    const runs = bench.variants(variants)
    return interleaved([...runs.keys()], rounds, async (key) => {
      const { variant, build } = runs.get(key)
      const options = variant === 'drop' ? { slowConsumer: 'drop' } : {}
      const server = await bench.start(build, { options }, { key, exposeGc: true })
      await bench.connect(key, { sockets: 1000, ...variant === 'without' ? { left: 0 } : { stalled: 0 } })
      await bench.publish(key, { plan: 'fanout', ticks: 20 })
      await settled(server.pid)
      await server.request('collect')
      const before = residentBytes(server.pid)
      let peak = before
      const timer = setInterval(() => { peak = Math.max(peak, residentBytes(server.pid)) }, 20)
      const round = await bench.publish(key, { plan: 'slow', ticks, sampleEvery: 10 })
      clearInterval(timer)
      await server.request('collect')
      const after = residentBytes(server.pid)
      const { slow_disconnects: slowDisconnects, messages_dropped: dropped } = await server.request('describe')
      await bench.disconnect(key)
      await bench.stop(key)
      return { ...round, peakGrowth: (peak - before) / MB, settledGrowth: (after - before) / MB, slowDisconnects, dropped }
    })
  }
}
