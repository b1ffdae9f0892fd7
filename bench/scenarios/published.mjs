import { plans } from '../shared/plans.mjs'
import { settled } from '../process-usage.mjs'
import { inSittings } from './rounds.mjs'

/**
 * A scenario in which the server publishes by a plan.
 *
 * @param {boolean} [isOneAtATime] for many sockets: those of a peer are only open while it has its round
 */
export function published ({ plan, sockets, deflate = false, settings = {}, isOneAtATime = false, sampleEvery = 47, ...scenario }) {
  return {
    figures: [
      { name: 'cpuMicros', title: 'µs CPU/msg', better: 'less' },
      { name: 'perSecond', title: 'msg/s', better: 'more' },
      { name: 'p50', title: 'p50 ms', better: 'less' },
      { name: 'p99', title: 'p99 ms', better: 'less' },
      { name: 'max', title: 'max ms' }
    ],
    ...scenario,
    async run (bench, peers) {
      const { seconds, isQuick } = bench.options
      const { channels, ticksPerSecond } = plans[plan]
      const connect = (key) => bench.connect(key, { sockets, channels, deflate })
      const warmUp = (key) => bench.publish(key, { plan, sampleEvery, ticks: Math.ceil(ticksPerSecond * (isQuick ? 0.3 : 1)) })
      return inSittings(bench.options, peers, {
        async begin () {
          for (const peer of peers) {
            await bench.start(peer, settings[bench.kindOf(peer)])
            if (isOneAtATime) continue
            await connect(peer)
            await warmUp(peer)
          }
        },
        async round (key) {
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
        },
        async end () {
          for (const peer of peers) {
            if (!isOneAtATime) await bench.disconnect(peer)
            await bench.stop(peer)
          }
        }
      })
    }
  }
}
