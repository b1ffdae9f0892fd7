import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure, quantile } from '../fixtures/attacks.js'
import { RawClient } from '../fixtures/raw-client.js'

const INTRUDERS = amount({ short: 100, long: 2_000 })

/** How long an intruder may stay, of either kind; what a busy machine needs to come to it is on top. */
const HEADERS_MS = amount({ short: 2_000, long: 8_000 })
const CHECK_MS = 500
const AUTH_MS = HEADERS_MS
const PING_MS = HEADERS_MS / 2
const CLOSE_MS = 500
const SLACK_MS = 2_000
/** So many come at once, and so long after the others. */
const WAVE = 50
const WAVE_MS = 50
const deadlines = {
  trickling: HEADERS_MS + CHECK_MS,
  unauthenticated: AUTH_MS + CLOSE_MS,
  // A ping, its answer, and the second between two looks.
  silent: 2 * PING_MS + 1_000 + CLOSE_MS
}
type Kind = keyof typeof deadlines

t.test('honest clients connect beside trickling handshakes and silent sockets, and both attackers are cut', { timeout: 300_000 }, async (t) => {
  const server = await AttackedServer.start(t, {
    auth: { firstFrame: true, timeoutMs: AUTH_MS },
    heartbeat: { intervalMs: PING_MS, timeoutMs: PING_MS },
    closeTimeoutMs: CLOSE_MS,
    limits: { maxConnections: INTRUDERS * 2, maxConnectionsPerUser: INTRUDERS, maxUnauthenticated: INTRUDERS, maxUnauthenticatedPerIp: INTRUDERS }
  }, { http: { headersTimeout: HEADERS_MS, connectionsCheckingInterval: CHECK_MS } })
  const stays: Record<Kind, number[]> = { trickling: [], unauthenticated: [], silent: [] }
  const trickling = new Set<RawClient>()
  let there = 0
  let together = 0

  const intrude = async (kind: Kind): Promise<void> => {
    const client = await RawClient.to(t, server)
    if (kind === 'trickling') {
      trickling.add(client)
    } else {
      client.upgrade('/ws', kind === 'silent' ? { authorization: `Bearer ${server.token('mallory')}` } : {})
      // However long the server takes to answer, its deadline begins then.
      await Promise.race([once(client.socket, 'data'), client.ended])
    }
    const start = performance.now()
    together = Math.max(together, ++there)
    await client.ended
    there--
    trickling.delete(client)
    stays[kind].push(performance.now() - start)
  }
  const connects: number[] = []
  const run = { isOver: false }
  const honest = async (userId: string): Promise<void> => {
    while (!run.isOver) {
      const start = performance.now()
      const client = await server.connect(userId)
      connects.push(performance.now() - start)
      await client.close()
      await setTimeout(10)
    }
  }

  const request = 'GET /ws HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nx: '
  let sent = 0
  const trickle = setInterval(() => {
    for (const { socket } of trickling) socket.write(request[sent] ?? 'x')
    sent++
  }, 250)
  t.teardown(() => clearInterval(trickle))
  const peers = [honest('alice'), honest('bob')]
  const intruders: Promise<void>[] = []
  while (intruders.length < INTRUDERS * 2) {
    const kind = (['trickling', 'unauthenticated', 'trickling', 'silent'] as const)[intruders.length % 4]!
    intruders.push(intrude(kind))
    if (intruders.length % WAVE === 0) await setTimeout(WAVE_MS)
  }
  await Promise.all(intruders)
  run.isOver = true
  await Promise.all(peers)

  for (const [kind, times] of Object.entries(stays)) {
    const most = Math.max(...times)
    t.ok(most <= deadlines[kind as Kind] + SLACK_MS, `${kind}: the last was cut after ${most.toFixed(0)} ms`)
  }
  t.ok(together > INTRUDERS, `${together} of them were there together`)
  const p99 = quantile(connects, 0.99)
  t.ok(connects.length > 20 && p99 <= 1_000, `p99 of ${connects.length} connects: ${p99.toFixed(1)} ms`)
  const { uncaught, status } = await server.ask('report')
  t.same(uncaught, [])
  t.match(status, { active_connections: 0, users: 0 })
  const last = (kind: Kind) => `${(Math.max(...stays[kind]) / 1000).toFixed(1)} s of ${deadlines[kind] / 1000} s`
  figure(t, 'handshakes', `${INTRUDERS} trickled handshakes and ${INTRUDERS} silent sockets, ${together} of them together: honest p99 connect ${p99.toFixed(0)} ms (${connects.length} connects); ` +
    `all cut: trickling after ${last('trickling')}, without a token after ${last('unauthenticated')}, silent after ${last('silent')}`)
})
