import { OURS } from '../peers/index.mjs'
import { plans } from '../shared/plans.mjs'
import { interleaved } from './rounds.mjs'

const SETTINGS = {
  [OURS]: { options: { limits: { maxConnections: 10_000 } } },
  'socket.io-recovery': { recovery: true }
}
/** Dropped every 15 s on average, for 2 s. */
const TIMES = { upMs: 13_000, awayMs: 2_000 }

/**
 * 1000 clients lose their connection again and again. The figures are what share of all messages reached them, and how long
 * it takes from the beginning of a reconnect until a client has everything that was published before. One round each.
 */
export const jitter = {
  name: 'jitter',
  title: '1000 clients, each dropped every 15 s on average for 2 s; a broadcast every 100 ms for two minutes',
  peers: [OURS, 'socket.io', 'socket.io-recovery'],
  isOnDemand: true,
  figures: [
    { name: 'deliveredPercent', title: '% delivered', better: 'more' },
    { name: 'missed', title: 'missed' },
    { name: 'drops', title: 'drops' },
    { name: 'p50', title: 'caught up p50 ms', better: 'less' },
    { name: 'p99', title: 'p99 ms', better: 'less' },
    { name: 'max', title: 'max ms' },
    { name: 'load', title: 'server load' }
  ],
  targets: [
    { figure: 'deliveredPercent', leastValue: 100, unit: '%' }
  ],
  run (bench, peers) {
    const { isQuick } = bench.options
    const sockets = isQuick ? 200 : 1000
    const ticks = plans.jitter.ticksPerSecond * (isQuick ? 10 : 120)
    return interleaved(peers, 1, async (peer) => {
      await bench.start(peer, SETTINGS[bench.kindOf(peer)])
      await bench.connect(peer, { sockets, isReturning: true })
      const round = await bench.jitter(peer, { plan: 'jitter', ticks, seed: 1, ...TIMES, ...isQuick ? { upMs: 2_000, awayMs: 500 } : {} })
      await bench.disconnect(peer)
      await bench.stop(peer)
      const { missed, ...faults } = round.faults
      // What the others miss is their figure; ours would be a fault.
      const isFaulty = (bench.kindOf(peer) === OURS && missed > 0) || Object.values(faults).some((count) => count > 0)
      return { ...round, isFaulty, missed, deliveredPercent: round.delivered / round.expected * 100 }
    })
  }
}
