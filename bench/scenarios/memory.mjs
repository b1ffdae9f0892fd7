import { OURS } from '../peers/index.mjs'
import { residentBytes, settled } from '../process-usage.mjs'
import { interleaved } from './rounds.mjs'

const SOCKETS = 8000
const LIMITS = { limits: { maxConnections: 10_000 } }

/** Every round has a process of its own. Some sockets that come and go first keep the code's own memory out of the figure. */
export const memory = {
  name: 'memory',
  title: '8000 idle sockets, resident growth for each after forced garbage collections',
  peers: [OURS, '@fastify/websocket', 'socket.io', 'bun'],
  figures: [{ name: 'bytesPerSocket', title: 'bytes/socket', better: 'less' }, { name: 'residentBefore', title: 'MB before' }, { name: 'residentAfter', title: 'MB after' }],
  targets: [
    { figure: 'bytesPerSocket', peer: '@fastify/websocket', most: 1.15 },
    { figure: 'bytesPerSocket', peer: 'socket.io', most: 0.65 }
  ],
  async run (bench, peers) {
    const sockets = bench.options.isQuick ? SOCKETS / 8 : SOCKETS
    return interleaved(peers, bench.options.rounds, async (peer) => {
      const server = await bench.start(peer, bench.kindOf(peer) === OURS ? { options: LIMITS } : {}, { exposeGc: true })
      await bench.connect(peer, { sockets: 500 })
      await bench.disconnect(peer)
      await settled(server.pid)
      await server.request('collect')
      const before = residentBytes(server.pid)
      await bench.connect(peer, { sockets })
      await settled(server.pid)
      await server.request('collect')
      const after = residentBytes(server.pid)
      await bench.disconnect(peer)
      await bench.stop(peer)
      return { bytesPerSocket: (after - before) / sockets, residentBefore: before / 1e6, residentAfter: after / 1e6 }
    })
  }
}
