import { Latencies } from '../load/latencies.mjs'
import { calibrate, nowMicros } from '../shared/clock.mjs'
import { answer, serveCommands } from '../shared/lines.mjs'
import { FIRST_SEQ, payloads } from '../shared/payloads.mjs'
import { plans } from '../shared/plans.mjs'

/** What the run wants of this peer: `maxConnections`, `options`. */
export const settings = JSON.parse(process.argv[2] ?? '{}')

/**
 * Puts a peer under the control of the run. The peer says how it publishes; the plan, the clock and the timers are the
 * same for all of them.
 *
 * @param {object} peer
 * @param {number} peer.port where it listens, on 127.0.0.1
 * @param {(fields: object) => unknown} [peer.all] sends to every socket
 * @param {(channel: string, fields: object) => unknown} [peer.channel] sends to the members of a channel
 * @param {(user: string, fields: object) => unknown} [peer.user] sends to one user's socket
 * @param {(user: string) => Promise<object>} [peer.ask] asks a user; resolves to how the question ended
 * @param {() => void} [peer.collect] collects garbage; otherwise Node's `gc` where it is exposed
 * @param {() => object} [peer.describe] what the run may want to know at the end of a round
 */
export function control (peer) {
  serveCommands({
    publish: ({ plan, ticks }) => publish(peer, plans[plan], ticks),
    ask: (options) => ask(peer, options),
    collect: async () => {
      for (let n = 0; n < 3; n++) {
        (peer.collect ?? globalThis.gc)?.()
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    },
    describe: () => peer.describe?.(),
    stop: () => { setTimeout(() => process.exit(0), 10) }
  })
  answer({ port: peer.port })
}

/** Every tick is an event-loop turn of its own, also when it is late. */
function publish (peer, plan, ticks) {
  calibrate()
  const { promise, resolve, reject } = deferred()
  const intervalMs = 1000 / plan.ticksPerSecond
  const startMs = performance.now()
  let tick = 0
  let seq = FIRST_SEQ
  const visit = (kind, target, payload) => {
    const fields = payloads[payload](seq++, nowMicros())
    if (kind === 'all') peer.all(fields)
    else if (kind === 'channel') peer.channel(`channel-${target}`, fields)
    else peer.user(`user-${target}`, fields)
  }
  const run = () => {
    try {
      plan.operations(tick++, visit)
    } catch (error) {
      reject(error)
      return
    }
    if (tick === ticks) resolve({ published: seq - FIRST_SEQ, tookMs: performance.now() - startMs })
    else setTimeout(run, Math.max(1, startMs + tick * intervalMs - performance.now()))
  }
  setTimeout(run, 1)
  return promise
}

/** Keeps a number of questions open for a while; resolves when the last one has ended. */
async function ask (peer, { users, inFlight, durationMs }) {
  const latencies = new Latencies()
  const startMs = performance.now()
  let asked = 0
  let missed = 0
  const askOn = async () => {
    while (performance.now() - startMs < durationMs) {
      const beforeMs = performance.now()
      const { outcome } = await peer.ask(`user-${asked++ % users}`)
      if (outcome !== 'confirmed') missed++
      latencies.add((performance.now() - beforeMs) * 1000)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, askOn))
  return { asked, missed, tookMs: performance.now() - startMs, latency: latencies.summary() }
}

function deferred () {
  const result = {}
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }))
  return result
}
