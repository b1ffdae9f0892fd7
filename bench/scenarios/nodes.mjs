import { OURS } from '../peers/index.mjs'
import { settled } from '../process-usage.mjs'
import { plans } from '../shared/plans.mjs'
import { inSittings } from './rounds.mjs'

const SOCKETS = 500
const PEERS = [OURS, 'socket.io-redis', 'socket.io-redis-streams']

/** The two nodes of a peer: one publishes, the sockets are at the other. */
const nodesOf = (peer) => ({ sender: `${peer}, sender`, receiver: `${peer}, receiver` })

/** What publishes is warm when the sockets come: a few hundred publications a second would warm it up for minutes. */
async function startNodes (bench, peer) {
  const { sender, receiver } = nodesOf(peer)
  const redis = await bench.startRedis(peer)
  for (const key of [sender, receiver]) await bench.start(peer, { redisPort: redis.port }, { key })
  await bench.server(sender).request('publish', { plan: 'warmUp', ticks: plans.warmUp.ticksPerSecond * (bench.options.isQuick ? 1 : 4) })
  await bench.connect(receiver, { sockets: SOCKETS })
}

async function stopNodes (bench, peer) {
  const { sender, receiver } = nodesOf(peer)
  await bench.disconnect(receiver)
  for (const key of [sender, receiver]) await bench.stop(key)
  await bench.stopRedis(peer)
}

/** @param {number} most the ratio to reach, to both peers and on both nodes */
function published ({ plan, most, ...scenario }) {
  return {
    ...scenario,
    peers: PEERS,
    figures: [
      { name: 'senderMicros', title: 'sender µs CPU/publication', better: 'less' },
      { name: 'receiverMicros', title: 'receiver µs CPU/msg', better: 'less' },
      { name: 'redisMicros', title: 'redis µs CPU/publication', better: 'less' },
      { name: 'p50', title: 'p50 ms', better: 'less' },
      { name: 'p99', title: 'p99 ms', better: 'less' },
      { name: 'max', title: 'max ms' }
    ],
    targets: PEERS.slice(1).flatMap((peer) => ['senderMicros', 'receiverMicros'].map((figure) => ({ figure, peer, most }))),
    async run (bench, peers) {
      const { seconds, isQuick } = bench.options
      const { ticksPerSecond } = plans[plan]
      const publish = (peer, forSeconds) => {
        const { sender, receiver } = nodesOf(peer)
        return bench.publishAcross({ sender, receiver, redis: bench.redis(peer) }, { plan, sampleEvery: 47, ticks: Math.ceil(ticksPerSecond * forSeconds) })
      }
      return inSittings(bench.options, peers, {
        async begin () {
          for (const peer of peers) {
            await startNodes(bench, peer)
            await publish(peer, isQuick ? 0.3 : 1)
          }
        },
        async round (peer) {
          await settled(bench.server(nodesOf(peer).receiver).pid)
          return publish(peer, seconds)
        },
        async end () {
          for (const peer of peers) await stopNodes(bench, peer)
        }
      })
    }
  }
}

export const nodesBurst = published({
  name: 'nodes-burst',
  title: `two nodes on one Redis: published on one, ${SOCKETS} sockets at the other; ten messages a tick, 10 ticks a second`,
  plan: 'burst',
  most: 0.25
})

export const nodesSingle = published({
  name: 'nodes-single',
  title: 'the same, one message a tick, 40 ticks a second',
  plan: 'fanout',
  most: 0.7
})

/** One node asks, the user's socket is at the other and answers at once, the one that asked goes on. */
export const nodesAsk = {
  name: 'nodes-ask',
  title: 'two nodes on one Redis: questions asked on one, answered by sockets at the other; 1 and 64 questions open at a time',
  peers: ['1 at a time', '64 at a time'],
  isOwnOnly: true,
  figures: [
    { name: 'perSecond', title: 'questions/s', better: 'more' },
    { name: 'p50', title: 'p50 ms', better: 'less' },
    { name: 'p99', title: 'p99 ms', better: 'less' },
    { name: 'max', title: 'max ms' },
    { name: 'senderMicros', title: 'sender µs CPU/question', better: 'less' },
    { name: 'receiverMicros', title: 'receiver µs CPU/question', better: 'less' }
  ],
  targets: [],
  async run (bench, variants) {
    const { seconds, isQuick } = bench.options
    const runs = bench.variants(variants)
    const ask = (key, forSeconds) => {
      const { variant, build } = runs.get(key)
      return bench.askAcross(nodesOf(build), { users: SOCKETS, inFlight: parseInt(variant), durationMs: forSeconds * 1000 })
    }
    return inSittings(bench.options, [...runs.keys()], {
      async begin () {
        for (const build of bench.builds) await startNodes(bench, build)
        for (const key of runs.keys()) await ask(key, isQuick ? 0.3 : 1)
      },
      round: (key) => ask(key, seconds),
      async end () {
        for (const build of bench.builds) await stopNodes(bench, build)
      }
    })
  }
}
