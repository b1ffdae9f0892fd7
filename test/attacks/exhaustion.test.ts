import t from 'tap'
import { WebSocket } from 'ws'
import type { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure, isLong, quantile } from '../fixtures/attacks.js'
import type { TestClient } from '../fixtures/client.js'
import { interleave, type Attacker } from '../fixtures/interleaved-attack.js'

const ROUNDS = amount({ short: 4, long: 30 })
const ROUND_MS = amount({ short: 400, long: 1_000 })
const HONEST = amount({ short: 10, long: 40 })
/** How long an honest client waits between an answer and its next question. */
const PAUSE_MS = 60
/** What of the server's time one user may take. */
const MOST_OF_A_CORE = isLong ? 0.1 : 0.25
/** Those that come by default are not all met within seconds. */
const SHORT_LIMITS = { connectionsPerIpPerMinute: 15, burst: 40, maxPendingHandlers: 8, maxPendingConfirmationsPerUser: 5 }
/** What the others may feel. Short rounds on a busy machine cannot tell so little from nothing. */
const MOST = isLong ? 1.10 : 5

/** One user who tries to have everything, from one address, whatever is answered. */
class Exhauster implements Attacker {
  readonly #server: AttackedServer
  /** What each of them wants. */
  readonly #clients = new Map<TestClient, number>()
  #dialled = 0
  #channel = 0
  tried = 0

  constructor (server: AttackedServer) {
    this.#server = server
  }

  /** More sockets than a user may have, and on each more channels, handlers, questions and frames. */
  tick (): void {
    const client = this.#server.dial('mallory', '127.0.0.2')
    this.tried++
    this.#clients.set(client, this.#dialled++ % this.#greeds.length)
    client.closed.then(() => this.#clients.delete(client))
    client.socket.on('unexpected-response', () => client.socket.terminate())
    for (const [{ socket }, greed] of this.#clients) {
      if (socket.readyState !== WebSocket.OPEN) continue
      for (const frame of this.#greeds[greed]!()) {
        this.tried++
        socket.send(JSON.stringify(frame))
      }
    }
  }

  /** As fast as frames are taken in the long run, since who is faster is cut: channels, handlers that never end, questions; and faster than that. */
  readonly #greeds: Array<() => object[]> = [
    () => [{ type: 'subscribe', channel_ids: Array.from({ length: 20 }, () => `open-${this.#channel++}`) }],
    () => [{ type: 'app.wait' }],
    () => [{ type: 'app.ask' }],
    () => Array(4).fill({ type: 'app.wait' })
  ]

  stop (): void {
    for (const { socket } of this.#clients.keys()) socket.terminate()
  }
}

t.test('limits stop a user who tries to exhaust the server, and other users are not affected', { timeout: 600_000 }, async (t) => {
  const limits = isLong ? { connectionsPerIpPerMinute: 300, maxPendingHandlers: 20, maxPendingConfirmationsPerUser: 20 } : SHORT_LIMITS
  const { latencies, cost, attacker, uncaught, status } = await interleave(t,
    { limits, rounds: ROUNDS, roundMs: ROUND_MS, honest: HONEST, pauseMs: PAUSE_MS }, (server) => new Exhauster(server))
  t.same(uncaught, [])
  for (const limit of ['connections_per_user', 'connections_per_ip', 'channels', 'pending_handlers', 'confirmations', 'messages', 'errors'] as const) {
    t.ok(status.rejected[limit] > 0, `${limit}: ${status.rejected[limit]} refused`)
  }
  t.ok(status.pending_callbacks <= 100 && status.channels <= 1_000 && status.active_connections <= HONEST + 10, 'and never had more than it may')
  const [attacked, calm] = [latencies.attacked, latencies.calm].map((rounds) => quantile(rounds.map((round) => quantile(round, 0.99)), 0.5)) as [number, number]
  const ratio = attacked / calm
  t.ok(ratio <= MOST, `p99 of the others: ${ratio.toFixed(2)} times that without the attack`)
  t.ok(cost <= MOST_OF_A_CORE, `the attack takes ${(cost * 100).toFixed(1)} % of a core`)
  const refused = Object.values(status.rejected).reduce((sum, count) => sum + count, 0)
  const samples = [...latencies.attacked, ...latencies.calm].flat().length
  figure(t, 'exhaustion', `${attacker.tried} attempts of one user, ${refused} refused by limits; it took ${(cost * 100).toFixed(1)} % of a core of the server; p99 of ${HONEST} others ${attacked.toFixed(2)} ms, without the attack ${calm.toFixed(2)} ms: ` +
    `ratio ${ratio.toFixed(2)} (medians of ${ROUNDS} interleaved rounds each, ${samples} requests)`)
})
