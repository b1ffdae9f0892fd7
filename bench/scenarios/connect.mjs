import { OURS } from '../peers/index.mjs'
import { cpuMicros, settled } from '../process-usage.mjs'
import { inSittings } from './rounds.mjs'

const SOCKETS = 5000
const LIMITS = { limits: { maxConnections: 10_000 } }

/** A connect is done when the server has greeted the socket. Ours verifies a token of another user for each. */
export const connect = {
  name: 'connect',
  title: '5000 connects, 50 at a time; ours with a token, the others without authentication',
  peers: [OURS, 'socket.io', '@fastify/websocket', 'bun'],
  figures: [
    { name: 'cpuMicros', title: 'µs CPU/connect', better: 'less' },
    { name: 'perSecond', title: 'connects/s', better: 'more' },
    { name: 'p50', title: 'p50 ms', better: 'less' },
    { name: 'p99', title: 'p99 ms', better: 'less' },
    { name: 'max', title: 'max ms' }
  ],
  targets: [
    { figure: 'cpuMicros', peer: 'socket.io', most: 0.8 }
  ],
  async run (bench, peers) {
    const sockets = bench.options.isQuick ? SOCKETS / 10 : SOCKETS
    return inSittings(bench.options, peers, {
      async begin () {
        for (const peer of peers) {
          await bench.start(peer, bench.kindOf(peer) === OURS ? { options: LIMITS } : {})
          await bench.connect(peer, { sockets: 1000 })
          await bench.disconnect(peer)
        }
      },
      async round (peer) {
        const { pid } = bench.server(peer)
        await settled(pid)
        const before = cpuMicros(pid)
        const { tookMs, latency } = await bench.connect(peer, { sockets })
        const cpu = cpuMicros(pid) - before
        await bench.disconnect(peer)
        return { cpuMicros: cpu / sockets, perSecond: sockets / tookMs * 1000, latency }
      },
      async end () {
        for (const peer of peers) await bench.stop(peer)
      }
    })
  }
}
