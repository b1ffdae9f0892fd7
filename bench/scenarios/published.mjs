import { plans } from '../shared/plans.mjs'
import { settled } from '../process-usage.mjs'
import { interleaved } from './rounds.mjs'

/**
 * A scenario in which the server publishes by a plan.
 *
 * @param {boolean} [isOneAtATime] for many sockets: those of a peer are only open while it has its round
 */
export function published ({ plan, sockets, deflate = false, settings = {}, isOneAtATime = false, sampleEvery = 47, ...scenario }) {
  return {
    figures: [
      { name: 'cpuMicros', title: 'µs CPU/msg' },
      { name: 'perSecond', title: 'msg/s' },
      { name: 'p50', title: 'p50 ms' },
      { name: 'p99', title: 'p99 ms' },
      { name: 'max', title: 'max ms' }
    ],
    ...scenario,
    async run (bench, peers) {
      const { seconds, rounds, isQuick } = bench.options
      const { channels, ticksPerSecond } = plans[plan]
      const connect = (key) => bench.connect(key, { sockets, channels, deflate })
      const warmUp = (key) => bench.publish(key, { plan, sampleEvery, ticks: Math.ceil(ticksPerSecond * (isQuick ? 0.3 : 1)) })
      for (const peer of peers) {
        await bench.start(peer, settings[peer])
        if (isOneAtATime) continue
        await connect(peer)
        await warmUp(peer)
      }
      return interleaved(peers, rounds, async (key) => {
        if (isOneAtATime) {
          await connect(key)
          await warmUp(key)
        }
        await settled(bench.server(key).pid)
        const round = await bench.publish(key, { plan, sampleEvery, ticks: Math.ceil(ticksPerSecond * seconds) })
        if (isOneAtATime) {
          await bench.disconnect(key)
          await settled(bench.server(key).pid)
        }
        return round
      })
    }
  }
}
