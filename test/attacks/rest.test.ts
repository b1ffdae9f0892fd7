import { connect } from 'node:net'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { ConfirmationStore } from '../../lib/engine/engine.js'
import { MemoryConfirmationStore } from '../../lib/engine/memory/confirmations.js'
import { startApp } from '../fixtures/app.js'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure, quantile } from '../fixtures/attacks.js'
import { ENGINE, question, settlement } from '../fixtures/engine-suite.js'
import { LateBodies } from '../fixtures/late-body.js'
import { nodesOf } from '../fixtures/redis-nodes.js'
import { RedisServer } from '../fixtures/redis.js'
import { forge } from '../fixtures/tokens.js'

const ROUNDS = amount({ short: 2, long: 100 })
const PIPELINED = amount({ short: 4_000, long: 60_000 })
const ENDED = amount({ short: 2_000, long: 100_000 })
const READS = amount({ short: 20, long: 500 })
const AT_ONCE = 500

t.test('a request whose token is revoked between its head and its body has no effect', async (t) => {
  const bodies = new LateBodies()
  let done = 0
  const server = await startApp(t, {}, {
    ...bodies, fastify: { logger: false }, after: ({ ws }) => ws.handle('app.act', { schema: Type.Object({}), rest: true }, () => { done++ })
  })
  const alice = await server.connect('alice')
  const message = { message: { type: 'app.news' } }
  const paths: [path: string, body: object][] = [
    ['/ws/broadcast', message], ['/ws/users/alice/messages', message], [`/ws/clients/${alice.id}/messages`, message],
    ['/ws/call/app.act', {}], ['/ws/tickets', {}], ['/ws/revocations', { user_id: 'alice' }]
  ]
  const statuses = new Map<number, number>()
  for (let round = 0; round < ROUNDS; round++) {
    const jti = `round-${round}`
    const authorization = `Bearer ${forge({ sub: 'admin', roles: ['ws:admin'], jti })}`
    const late = []
    for (const [path, body] of paths) late.push(await bodies.head(server.origin, path, body, { authorization }))
    t.match(await server.app.ws.revoke({ jti }), { complete: true })
    for (const send of late) {
      const { status } = await send()
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  await alice.settled()
  t.equal(alice.count('app.news') + done, 0)
  t.same([...statuses], [[401, ROUNDS * paths.length]])
  figure(t, 'late bodies', `${ROUNDS * paths.length} requests of ${paths.length} routes whose token was revoked between head and body: ${alice.count('app.news') + done} carried out`)
})

t.test('a connection with too many requests does not affect others', async (t) => {
  const server = await AttackedServer.start(t)
  const honest = await server.connect('honest')
  const before = await server.ask('memory')
  await server.ask('time')
  const socket = connect(Number(new URL(server.origin).port), '127.0.0.1')
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  // Who does not read does not see the end either.
  const closed = new Promise((resolve) => { socket.resume().once('close', resolve) })
  const head = `GET /ws/confirmations/none?wait=60 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${server.token('mallory')}\r\n\r\n`
  const startedAt = performance.now()
  socket.write(head.repeat(PIPELINED))
  await closed
  await honest.settled()
  const tookMs = performance.now() - startedAt
  const { slowestTurnMs, uncaught, status } = await server.ask('report')
  const { peakRss, heldBytes } = await server.ask('memory')
  const grownMiB = (peakRss - before.rss) / 2 ** 20
  t.same(uncaught, [])
  t.ok(status.rejected.pending_requests > 0, `${status.rejected.pending_requests} refused`)
  t.ok(slowestTurnMs < 500, `the slowest turn took ${slowestTurnMs} ms`)
  t.ok(grownMiB < 100, `${grownMiB} MiB`)
  t.ok(heldBytes - before.heldBytes < 10 * 2 ** 20, `${heldBytes - before.heldBytes} bytes stay`)
  figure(t, 'pipelined polls', `${PIPELINED} long polls on one connection, ${(head.length * PIPELINED / 2 ** 20).toFixed(0)} MiB: cut after ${tookMs.toFixed(0)} ms, the slowest turn of the event loop ${slowestTurnMs.toFixed(0)} ms, at most ${grownMiB.toFixed(0)} MiB more`)
})

/** How long a page of one user's questions takes beside ended ones of others, milliseconds. */
async function pageMs (store: ConfirmationStore): Promise<number> {
  for (let n = 0; n < 10; n++) await store.create(question({ user_id: 'alice' }))
  for (let n = 0; n < ENDED; n += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, async (_, index) => {
      const record = question({ user_id: `user-${(n + index) % 1_000}` })
      await store.create(record)
      await store.settle(record.callback_id, settlement())
    }))
  }
  const times: number[] = []
  for (let n = 0; n < READS; n++) {
    const startedAt = performance.now()
    const { records } = await store.list({ user_id: 'alice' }, null, 100)
    times.push(performance.now() - startedAt)
    if (records.length !== 10) throw new Error(`${records.length} found`)
  }
  return quantile(times, 0.5)
}

t.test('a page of questions costs only the page', { timeout: 600_000 }, async (t) => {
  const redis = await RedisServer.start(t)
  const engine = await nodesOf(redis.port)({ ...ENGINE, retainMs: 3_600_000 })
  t.teardown(() => engine.close())
  const memory = new MemoryConfirmationStore(3_600_000)
  t.teardown(() => memory.close())
  const [inMemory, onRedis] = [await pageMs(memory), await pageMs(engine.confirmations)]
  t.ok(inMemory < 2, `${inMemory} ms in memory`)
  t.ok(onRedis < 10, `${onRedis} ms on Redis`)
  figure(t, 'lists', `a page of a user's 10 questions beside ${ENDED} ended ones of others: ${inMemory.toFixed(3)} ms in memory, ${onRedis.toFixed(2)} ms on Redis (medians of ${READS})`)
})
