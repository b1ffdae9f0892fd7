import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { WebSocket } from 'ws'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure, isLong, quantile } from '../fixtures/attacks.js'
import type { TestClient } from '../fixtures/client.js'

const ROUNDS = amount({ short: 1, long: 15 })
const ROUND_MS = amount({ short: 500, long: 2_000 })
const HONEST = amount({ short: 3, long: 20 })
const SOCKETS = 10
const TICK_MS = 50
const PAUSE_MS = 30
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
class Sender {
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

t.test('large frames on many sockets of one user are an allowance\'s, and the others feel little of them', { timeout: 600_000 }, async (t) => {
  const [server, decoy] = [await AttackedServer.start(t, { limits }), await AttackedServer.start(t, { limits })]
  const honest = await Promise.all(Array.from({ length: HONEST }, (_, i) => server.connect(`user-${i}`)))
  let latencies: number[] = []
  const run = { isOver: false }
  const asking = honest.map(async (client) => {
    while (!run.isOver) {
      const start = performance.now()
      await client.settled()
      latencies.push(performance.now() - start)
      client.received.length = client.queue.length = 0
      await setTimeout(PAUSE_MS)
    }
  })
  const senders = { attacked: new Sender(server), calm: new Sender(decoy) }
  /** What the attacked server takes of the processor, milliseconds. */
  const cpuMs = { attacked: 0, calm: 0 }
  const p50s: Record<keyof typeof senders, number[]> = { attacked: [], calm: [] }
  for (let round = 0; round < ROUNDS * 2; round++) {
    // In turn, and each as often first. The attack on the other server costs this machine as much.
    const kind = round % 4 === 0 || round % 4 === 3 ? 'calm' : 'attacked'
    latencies = []
    const before = await server.ask('cpu')
    for (const end = performance.now() + ROUND_MS; performance.now() < end;) {
      senders[kind].tick()
      await setTimeout(TICK_MS)
    }
    cpuMs[kind] += await server.ask('cpu') - before
    p50s[kind].push(quantile(latencies, 0.5))
  }
  run.isOver = true
  await Promise.all(asking)
  for (const sender of Object.values(senders)) sender.stop()
  const { uncaught, status } = await server.ask('report')
  t.same(uncaught, [])
  t.ok(status.rejected.bytes > 0, `${status.rejected.bytes} frames over the allowance`)
  const [attacked, calm] = [quantile(p50s.attacked, 0.5), quantile(p50s.calm, 0.5)]
  const cost = (cpuMs.attacked - cpuMs.calm) / (ROUNDS * ROUND_MS)
  t.ok(cost <= MOST_OF_A_CORE, `the attack takes ${(cost * 100).toFixed(1)} % of a core`)
  figure(t, 'bytes', `${senders.attacked.sent} frames of 64 KiB on ${SOCKETS} sockets of one user, ${status.rejected.bytes} of them over the allowance; it took ${(cost * 100).toFixed(1)} % of a core of the server; p50 of ${HONEST} others ${attacked.toFixed(2)} ms, ` +
    `without the attack ${calm.toFixed(2)} ms: ratio ${(attacked / calm).toFixed(2)} (medians of ${ROUNDS} interleaved rounds each)`)
})
