import { inSittings } from './rounds.mjs'

/**
 * A scenario in which clients ask and the server answers, as fast as it can.
 *
 * @param {(bench: object, peers: string[]) => Map<string, { peer: string, settings?: object }>} [runsOf] what runs under which
 *   name; every peer as it comes, where it is left out
 */
export function requested ({ sockets, inFlight, runsOf = eachPeer, ...scenario }) {
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
      const runs = runsOf(bench, peers)
      return inSittings(bench.options, [...runs.keys()], {
        async begin () {
          for (const [key, { peer, settings }] of runs) {
            await bench.start(peer, settings, { key })
            await bench.connect(key, { sockets })
            await bench.requests(key, { inFlight, durationMs: seconds * 400 })
          }
        },
        round: (key) => bench.requests(key, { inFlight, durationMs: seconds * 1000 }),
        async end () {
          for (const key of runs.keys()) {
            await bench.disconnect(key)
            await bench.stop(key)
          }
        }
      })
    }
  }
}

function eachPeer (_bench, peers) {
  return new Map(peers.map((peer) => [peer, { peer }]))
}
