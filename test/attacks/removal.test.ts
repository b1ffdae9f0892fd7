import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { redis } from '../../lib/engine/redis/redis.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { amount, figure } from '../fixtures/attacks.js'
import type { TestClient } from '../fixtures/client.js'
import { RedisServer } from '../fixtures/redis.js'

const ROUNDS = amount({ short: 3, long: 100 })
const PER_SECOND = 1_000
const SOCKETS_PER_NODE = 2
/** How long messages go on when the call has resolved. */
const AFTER_MS = 100
/** How late a socket may be closed when its token expires: every half second the server looks, and a busy machine comes to it later. */
const MOST_LATE_MS = 500 + 1_500

/** How the sockets of a user are ended by a call: what has resolved then, and the code that they are closed with. */
const ways: Record<string, { code: number, remove: (node: TestApp, userId: string) => Promise<unknown> }> = {
  revoked: { code: 4401, remove: ({ app: { ws } }, userId) => ws.revoke({ userId }) },
  'revoked by token': { code: 4401, remove: (node, userId) => node.rest('POST', '/ws/revocations', { body: { jti: userId } }) },
  kicked: { code: 4403, remove: ({ app: { ws } }, userId) => ws.disconnect({ userId }, 'kicked') },
  'kicked by id': {
    code: 4403,
    remove: async (node, userId) => {
      const { clients } = (await node.rest('GET', `/ws/clients?user_id=${userId}`)).body
      for (const { client_id: id } of clients) await node.rest('DELETE', `/ws/clients/${id}`)
    }
  }
}

const server = await RedisServer.start(t)

/** Two nodes that send everything in every way, so many messages a second, as long as the test runs. */
async function startNodes (t: Test) {
  const prefix = randomUUID()
  const sockets = new Map<number, Socket>()
  const nodes = await Promise.all([0, 1].map(() => startApp(t, {
    engine: redis({ host: '127.0.0.1', port: server.port }, { prefix }), authorizeSubscribe: () => true, auth: { expiryNoticeMs: 1 }
  }, {
    fastify: { logger: false },
    before: (app) => { app.server.on('connection', (socket) => sockets.set(socket.remotePort!, socket)) }
  })))
  const sending = { to: 'nobody', sent: 0 }
  const send = (ws: TestApp['app']['ws'], n: number) => {
    const message = { type: 'app.news', n, at: Date.now() }
    return n % 3 === 0 ? ws.broadcast(message) : n % 3 === 1 ? ws.sendToUser(sending.to, message) : ws.sendToChannel('news', message)
  }
  const inFlight = new Set<Promise<unknown>>()
  const started = performance.now()
  const timer = setInterval(() => {
    for (const due = (performance.now() - started) * PER_SECOND / 1000; sending.sent < due; sending.sent++) {
      const sent = send(nodes[sending.sent % 2]!.app.ws, sending.sent).catch(t.fail).finally(() => inFlight.delete(sent))
      inFlight.add(sent)
    }
  }, 5)
  // Before the nodes close.
  t.teardown(async () => {
    clearInterval(timer)
    await Promise.all(inFlight)
  })
  /** The server's side of a client. */
  const socketOf = (client: TestClient) => sockets.get((client.socket as unknown as { _socket: Socket })._socket.localPort!)!
  return { nodes, sending, socketOf }
}

function connectAll (nodes: TestApp[], userId: string, claims = {}): Promise<TestClient[]> {
  return Promise.all(nodes.flatMap((node) => Array.from({ length: SOCKETS_PER_NODE }, () => node.connect(userId, { claims, path: '/ws?channel_id=news' }))))
}

t.test('once a call that closes sockets has resolved, no byte reaches them on any node', { timeout: 600_000 }, async (t) => {
  const { nodes, sending, socketOf } = await startNodes(t)
  const witness = await nodes[1]!.connect('witness', { path: '/ws?channel_id=news' })
  for (const [way, { code, remove }] of Object.entries(ways)) {
    let bytesAfter = 0
    let messagesAfter = 0
    let received = 0
    let sentAfter = 0
    const resolves: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const userId = sending.to = `${way}-${round}`.replaceAll(' ', '-')
      const clients = await connectAll(nodes, userId, { jti: userId })
      const raw = clients.map(socketOf)
      for (const client of clients) await client.next('app.news')
      const start = performance.now()
      await remove(nodes[round % 2]!, userId)
      resolves.push(performance.now() - start)
      const mark = sending.sent
      const written = raw.map(({ bytesWritten }) => bytesWritten)
      await setTimeout(AFTER_MS)
      sentAfter += sending.sent - mark
      for (const [index, client] of clients.entries()) {
        t.equal((await client.closed).code, code)
        bytesAfter += raw[index]!.bytesWritten - written[index]!
        const numbers = client.received.filter(({ type }) => type === 'app.news').map(({ n }) => n as number)
        received += numbers.length
        messagesAfter += numbers.filter((n) => n >= mark).length
      }
    }
    t.equal(messagesAfter, 0)
    t.equal(bytesAfter, 0)
    t.ok(received > 0 && sentAfter > 0)
    await witness.settled()
    t.ok(witness.count('app.news') > sentAfter / 3, 'others got them')
    figure(t, 'removal', `${way}, ${ROUNDS} times with ${SOCKETS_PER_NODE} sockets on each of two nodes, ${PER_SECOND} messages/s: ${sentAfter} messages sent after the call had resolved, ` +
      `${messagesAfter} of them and ${bytesAfter} bytes to the sockets; resolved after ${Math.max(...resolves).toFixed(0)} ms at the most`)
  }
})

t.test('a socket receives nothing after its token has expired', { timeout: 600_000 }, async (t) => {
  const { nodes, sending } = await startNodes(t)
  const late: number[] = []
  for (let round = 0; round < Math.ceil(ROUNDS / 10); round++) {
    const userId = sending.to = `expired-${round}`
    const exp = Math.floor(Date.now() / 1000) + 2
    const clients = await connectAll(nodes, userId, { exp })
    for (const client of clients) {
      t.equal((await client.closed).code, 4401)
      late.push(client.received.findLast(({ type }) => type === 'app.news')!.at - exp * 1000)
    }
  }
  const most = Math.max(...late)
  t.ok(most <= MOST_LATE_MS, `the last message was sent ${most} ms after the expiry`)
  figure(t, 'removal', `expired, ${late.length} sockets on two nodes, ${PER_SECOND} messages/s: the last message was sent ${most} ms after \`exp\`, of 500 ms between two looks`)
})
