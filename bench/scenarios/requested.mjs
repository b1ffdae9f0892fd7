import { interleaved } from './rounds.mjs'

/** A scenario in which clients ask and the server answers, as fast as it can. */
export function requested ({ sockets, inFlight, ...scenario }) {
  return {
    figures: [
      { name: 'perSecond', title: 'replies/s' },
      { name: 'cpuMicros', title: 'µs CPU/reply' },
      { name: 'load', title: 'server load' },
      { name: 'generatorLoad', title: 'generator load' },
      { name: 'p50', title: 'p50 ms' },
      { name: 'p99', title: 'p99 ms' },
      { name: 'max', title: 'max ms' }
    ],
    ...scenario,
    async run (bench, peers) {
      const { seconds, rounds } = bench.options
      for (const peer of peers) {
        await bench.start(peer)
        await bench.connect(peer, { sockets })
        await bench.requests(peer, { inFlight, durationMs: seconds * 400 })
      }
      return interleaved(peers, rounds, (key) => bench.requests(key, { inFlight, durationMs: seconds * 1000 }))
    }
  }
}
