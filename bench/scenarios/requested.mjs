import { inSittings } from './rounds.mjs'

/** A scenario in which clients ask and the server answers, as fast as it can. */
export function requested ({ sockets, inFlight, ...scenario }) {
  return {
    figures: [
      { name: 'perSecond', title: 'replies/s', better: 'more' },
      { name: 'cpuMicros', title: 'µs CPU/reply', better: 'less' },
      { name: 'load', title: 'server load' },
      { name: 'generatorLoad', title: 'generator load' },
      { name: 'p50', title: 'p50 ms', better: 'less' },
      { name: 'p99', title: 'p99 ms', better: 'less' },
      { name: 'max', title: 'max ms' }
    ],
    ...scenario,
    async run (bench, peers) {
      const { seconds } = bench.options
      return inSittings(bench.options, peers, {
        async begin () {
          for (const peer of peers) {
            await bench.start(peer)
            await bench.connect(peer, { sockets })
            await bench.requests(peer, { inFlight, durationMs: seconds * 400 })
          }
        },
        round: (key) => bench.requests(key, { inFlight, durationMs: seconds * 1000 }),
        async end () {
          for (const peer of peers) {
            await bench.disconnect(peer)
            await bench.stop(peer)
          }
        }
      })
    }
  }
}
