import t from 'tap'
import { WebSocket } from 'ws'
import type { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure, isLong, quantile } from '../fixtures/attacks.js'
import type { TestClient } from '../fixtures/client.js'
import { interleave, type Attacker } from '../fixtures/interleaved-attack.js'

const ROUNDS = amount({ short: 1, long: 15 })
const ROUND_MS = amount({ short: 500, long: 2_000 })
const HONEST = amount({ short: 3, long: 20 })
const SOCKETS = 10
/** So that no honest client exceeds its own allowance. */
const PAUSE_MS = 60
const DIFFERENT = amount({ short: 30, long: 200 })
/** What of the server's time one user may take: of a short round what comes at once is a large part. */
const MOST_OF_A_CORE = isLong ? 0.2 : 0.6

/** A message of 64 KiB that its schema allows, with keys that are in no other. */
function message (n: number): string {
  let json = `{"type":"chat.send","id":${n},"room":"room","text":"hello"`
  for (let i = 0; json.length < 65_000; i++) json += `,"${n.toString(36)}_${i.toString(36)}":0`
  return `${json}}`
}
/** As by default; what may come at once by default would be nearly all of a short round. */
const limits = { connectionsPerIpPerMinute: 600, ...!isLong && { burstBytes: 262_144 } }
const MESSAGES = Array.from({ length: DIFFERENT }, (_, n) => message(n))

/** One user who sends as many and as large frames as a socket may, on every socket that they may have. */
class Sender implements Attacker {
  readonly #server: AttackedServer
  readonly #clients = new Set<TestClient>()
  #sent = 0

  constructor (server: AttackedServer) {
    this.#server = server
  }

  get sent (): number {
    return this.#sent
  }

  tick (): void {
    while (this.#clients.size < SOCKETS) {
      const client = this.#server.dial('mallory', '127.0.0.2')
      this.#clients.add(client)
      client.closed.then(() => this.#clients.delete(client))
      client.socket.on('unexpected-response', () => client.socket.terminate())
    }
    for (const { socket } of this.#clients) if (socket.readyState === WebSocket.OPEN) socket.send(MESSAGES[this.#sent++ % MESSAGES.length]!)
  }

  stop (): void {
    for (const { socket } of this.#clients) socket.terminate()
  }
}

t.test('large frames on many sockets of one user share one allowance, and other users are barely affected', { timeout: 600_000 }, async (t) => {
  const { latencies, cost, attacker, uncaught, status } = await interleave(t,
    { limits, rounds: ROUNDS, roundMs: ROUND_MS, honest: HONEST, pauseMs: PAUSE_MS }, (server) => new Sender(server))
  t.same(uncaught, [])
  t.ok(status.rejected.bytes > 0, `${status.rejected.bytes} frames over the allowance`)
  const [attacked, calm] = [latencies.attacked, latencies.calm].map((rounds) => quantile(rounds.map((round) => quantile(round, 0.5)), 0.5)) as [number, number]
  t.ok(cost <= MOST_OF_A_CORE, `the attack takes ${(cost * 100).toFixed(1)} % of a core`)
  figure(t, 'bytes', `${attacker.sent} frames of 64 KiB on ${SOCKETS} sockets of one user, ${status.rejected.bytes} of them over the allowance; it took ${(cost * 100).toFixed(1)} % of a core of the server; p50 of ${HONEST} others ${attacked.toFixed(2)} ms, ` +
    `without the attack ${calm.toFixed(2)} ms: ratio ${(attacked / calm).toFixed(2)} (medians of ${ROUNDS} interleaved rounds each)`)
})
