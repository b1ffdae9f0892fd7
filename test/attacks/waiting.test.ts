import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure } from '../fixtures/attacks.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'

const SOCKETS = amount({ short: 10, long: 80 })
const FRAMES = amount({ short: 20, long: 98 })
const KIB = 1_024
const MIB = 1_048_576
const MAX_QUEUE_BYTES = 128 * KIB
/** What SECURITY.md promises, and what may wait for a client that does not read. */
const MOST_PER_SOCKET = 64 * KIB + 350 * KIB + MAX_QUEUE_BYTES
/** What the process may hold besides: code that was compiled meanwhile. */
const SLACK_BYTES = 4 * MIB

/** As large as one may be, and twenty times as large when it is read. */
const FRAME = maskedFrame(opcodes.text, `{"type":"ping","list":[${Array(21_000).fill('{}').join()}]}`)
const SMALL = maskedFrame(opcodes.text, '{"type":"ping"}')
/** Nothing but what waits is bounded. */
const limits = { messagesPerSecond: 0, bytesPerSecond: 0, maxConnectionsPerUser: 1_000, maxUnauthenticatedPerIp: 1_000, maxQueueBytes: MAX_QUEUE_BYTES, maxPendingHandlers: FRAMES }

async function measure (t: Test, attack: string, server: AttackedServer, clients: RawClient[], frame: Buffer) {
  const { heldBytes, rss } = await server.ask('memory')
  for (const { socket } of clients) for (let i = 0; i < FRAMES; i++) socket.write(frame)
  // Nothing tells of small frames, which fill nothing.
  if (frame === FRAME) await until(async () => (await server.ask('report')).status.rejected.pending_bytes === SOCKETS)
  else await setTimeout(amount({ short: 200, long: 2_000 }))
  const { heldBytes: held, peakRss } = await server.ask('memory')
  const perSocket = (held - heldBytes) / SOCKETS
  t.ok(held - heldBytes <= SOCKETS * MOST_PER_SOCKET + SLACK_BYTES, `${attack}: ${(perSocket / KIB).toFixed(0)} KiB a socket`)
  t.same((await server.ask('report')).uncaught, [])
  figure(t, 'waiting', `${attack}: ${SOCKETS} sockets, ${FRAMES} frames of ${(frame.length / KIB).toFixed(0)} KiB each: ${(perSocket / KIB).toFixed(0)} KiB held a socket, ` +
    `${((peakRss - rss) / MIB).toFixed(0)} MiB more resident at the peak`)
  for (const client of clients) client.reset()
}

for (const [name, frame] of [['frames', FRAME], ['small frames', SMALL]] as const) {
  t.test(`${name} behind an unread history take no more memory than queued frames may`, { timeout: 120_000 }, async (t) => {
    const server = await AttackedServer.start(t, { limits })
    const filler = await server.connect('filler')
    await filler.request({ type: 'app.fill', channel: 'open', count: 300, bytes: 30_000 })
    filler.send({ type: 'subscribe', channel_ids: ['open'] })
    const { epoch } = await filler.next('subscribed')
    const clients: RawClient[] = []
    for (let i = 0; i < SOCKETS; i++) clients.push(await RawClient.open(t, server, 'mallory'))
    for (const client of clients) {
      client.socket.pause()
      client.send(opcodes.text, JSON.stringify({ type: 'subscribe', channel_ids: ['open'], recover: { open: { epoch, offset: 0 } } }))
    }
    await measure(t, `${name} behind a recovery`, server, clients, frame)
  })
}

t.test('frames behind a token whose key is slow to arrive take no more memory than queued frames may', { timeout: 120_000 }, async (t) => {
  const server = await AttackedServer.start(t, { auth: { firstFrame: true, timeoutMs: 60_000 }, limits }, {}, { keyDelayMs: amount({ short: 2_000, long: 20_000 }) })
  const clients = await Promise.all(Array.from({ length: SOCKETS }, async () => {
    const client = await RawClient.to(t, server)
    client.upgrade('/ws')
    await client.response()
    return client
  }))
  for (const client of clients) client.send(opcodes.text, JSON.stringify({ type: 'auth', token: server.token('mallory') }))
  await measure(t, 'frames without a token', server, clients, FRAME)
})
