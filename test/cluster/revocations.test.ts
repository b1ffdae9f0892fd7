import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { RedisEngineOptions } from '../../lib/engine/redis/options.js'
import { redis } from '../../lib/engine/redis/redis.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { ENGINE } from '../fixtures/engine-suite.js'
import type { Frame, TestClient } from '../fixtures/client.js'
import { nodesOf } from '../fixtures/redis-nodes.js'
import { RedisServer } from '../fixtures/redis.js'
import { refusal } from '../fixtures/refusal.js'
import { Gate } from '../fixtures/gate.js'
import { LateBodies } from '../fixtures/late-body.js'
import { StallingClient } from '../fixtures/stalling-client.js'
import { TcpProxy } from '../fixtures/tcp-proxy.js'
import { forge } from '../fixtures/tokens.js'
import { until } from '../fixtures/until.js'

const server = await RedisServer.start(t)
const REVOKED = { code: 4401, reason: 'The token has been revoked' }
const RATE = 1_000
/** On a busy machine, more would wait for Redis longer than a command may take. */
const MOST_PENDING = 200
const PADDING = 'x'.repeat(5_000)

/** A token of ten seconds ago. */
const issued = (userId: string, fields: object = {}) => forge({ sub: userId, iat: Math.floor(Date.now() / 1000) - 10, ...fields })

/** An app on the Redis that is listening there; those with one prefix are one. */
function startNode (t: Test, prefix: string, port = server.port, options: Partial<RedisEngineOptions> = {}): Promise<TestApp> {
  return startApp(t, { limits: { maxQueueBytes: 10_000_000 }, engine: redis({ port, host: '127.0.0.1' }, { prefix, checkMs: 200, ...options }) })
}

async function startTwo (t: Test): Promise<[TestApp, TestApp]> {
  const prefix = randomUUID()
  return [await startNode(t, prefix), await startNode(t, prefix)]
}

/** Publishes numbers in every way there is, a thousand a second, or as fast as Redis takes them, until it is stopped. `number` is the latest. */
class Flood {
  number = 0
  #pending = 0
  readonly #done: Promise<void>
  #isStopped = false

  constructor (nodes: TestApp[], user: string, padding = '') {
    this.#done = this.#run(nodes, user, padding)
  }

  async stop (): Promise<void> {
    this.#isStopped = true
    await this.#done
  }

  async #run (nodes: TestApp[], user: string, padding: string): Promise<void> {
    const startedAt = performance.now()
    const published: Promise<unknown>[] = []
    while (!this.#isStopped) {
      for (const due = (performance.now() - startedAt) * RATE / 1_000; this.number < due && this.#pending < MOST_PENDING;) {
        const number = ++this.number
        const { ws } = nodes[number % nodes.length]!.app
        const message = { type: 'test.numbered', number, padding }
        this.#pending++
        const sent = number % 3 === 0 ? ws.broadcast(message) : number % 3 === 1 ? ws.sendToUser(user, message) : ws.sendToUser(user, message, { history: false })
        published.push(sent.finally(() => { this.#pending-- }))
      }
      await setTimeout(1)
    }
    await Promise.all(published)
  }
}

const numbersOf = (frames: readonly Frame[]): number[] => frames.filter(({ type }) => type === 'test.numbered').map(({ number }) => number)

const isAlone = (...nodes: TestApp[]) => nodes.reduce((sum, { app }) => sum + app.ws.getConnectionCount(), 0) === 1

const ends: [name: string, end: (a: TestApp, b: TestApp) => Promise<unknown>, code: number, lifeSeconds: number][] = [
  ['revoked by user', (a) => a.app.ws.revoke({ userId: 'alice' }), 4401, 3_600],
  ['revoked by token', (a) => a.app.ws.revoke({ jti: 'laptop' }), 4401, 3_600],
  ['kicked', (a) => a.app.ws.disconnect({ userId: 'alice' }), 4403, 3_600],
  ['nobody any more, since the token expires', (a, b) => until(() => isAlone(a, b)), 4401, 4]
]

for (const [name, end, code, lifeSeconds] of ends) {
  t.test(`a user who is ${name} amid 1000 messages a second gets not one more`, async (t) => {
    const [a, b] = await startTwo(t)
    const token = issued('alice', { jti: 'laptop', exp: Math.floor(Date.now() / 1000) + lifeSeconds })
    const clients: TestClient[] = []
    for (const node of [a, b, a, b]) clients.push(await node.connect('', { token }))
    const bob = await b.connect('bob')
    const flood = new Flood([a, b], 'alice')
    await until(() => clients.every((client) => numbersOf(client.received).length > 200))
    await end(a, b)
    // Whatever is published from here on is published after the call resolved.
    const { number } = flood
    t.ok(isAlone(a, b), 'the sockets are gone')
    await until(() => flood.number > number + 300)
    await flood.stop()
    await bob.settled()
    t.ok(numbersOf(bob.received).some((n) => n > number), 'others get it')
    for (const client of clients) {
      t.equal((await client.closed).code, code)
      t.equal(numbersOf(client.received).filter((n) => n > number).length, 0, `the last was ${numbersOf(client.received).at(-1)} of ${number}`)
    }
  })
}

t.test('a revoked slow reader gets no message published before the revocation', async (t) => {
  const [a, b] = await startTwo(t)
  let raw!: Duplex
  b.app.server.on('connection', (socket) => { raw = socket })
  const client = await StallingClient.open(b.origin, issued('alice'))
  client.stall()
  const flood = new Flood([a], 'alice', PADDING)
  await until(() => raw.writableLength > 0)
  t.match(await a.app.ws.revoke({ userId: 'alice' }), { closed: 1, complete: true })
  const { number } = flood
  t.equal(raw.destroyed, true, 'with all that waited in it')
  await until(() => flood.number > number + 100)
  await flood.stop()
  const over = new Promise((resolve) => client.socket.once('close', resolve))
  client.resume()
  await over
  const numbers = numbersOf(client.frames().filter(({ opcode }) => opcode === 1).map(({ payload }) => JSON.parse(payload.toString())))
  t.ok(numbers.every((n) => n < number - 1), `the last was ${numbers.at(-1)} of ${number}`)
})

t.test('a revocation applies on every node to sockets, frames, REST and tickets', async (t) => {
  const [a, b] = await startTwo(t)
  const token = issued('alice', { jti: 'laptop' })
  const bearer = { as: null, headers: { authorization: `Bearer ${token}` } }
  const { body: { ticket } } = await a.rest('POST', '/ws/tickets', bearer)
  const phone = await b.connect('', { token: issued('alice', { jti: 'phone' }) })
  t.match(await a.rest('POST', '/ws/revocations', { body: { jti: 'laptop' } }), { status: 200, body: { closed: 0, complete: true, missing: [] } })
  t.equal((await refusal(b.dial('', { token }))).statusCode, 401)
  t.equal((await refusal(b.dial('', { token: null, path: `/ws?ticket=${ticket}` }))).statusCode, 401)
  t.equal((await b.rest('GET', '/ws/confirmations', bearer)).status, 401)
  t.match(await phone.request({ type: 'auth', token }), { type: 'error', code: 'unauthorized' })
  t.match(await b.app.ws.revoke({ jti: 'phone' }), { closed: 1 })
  t.same(await phone.closed, REVOKED)
})

t.test('a user admitted by one node while another revokes the token is not served', async (t) => {
  const [a, b] = await startTwo(t)
  for (let round = 0; round < 10; round++) {
    const jti = `round-${round}`
    const dialled = Array.from({ length: 10 }, () => b.dial('', { token: issued('alice', { jti }) }))
    const ends = dialled.map((client) => client.opened().then(async () => (await client.closed).code, ({ statusCode }) => statusCode as number))
    for (let turns = round * 3; turns > 0; turns--) await setImmediate()
    t.match(await a.app.ws.revoke({ jti }), { complete: true })
    t.match(await b.app.ws.sendToUser('alice', { type: 'test.after' }), { localRecipients: 0 })
    const outcomes = await Promise.all(ends)
    t.ok(outcomes.every((outcome) => [401, 4401].includes(outcome)), outcomes.join())
    t.equal(dialled.reduce((sum, client) => sum + client.count('test.after'), 0), 0)
  }
})

t.test('a revocation waits for work of the token on another node, and no new work begins there afterwards', async (t) => {
  const [a, prefix] = [[] as string[], randomUUID()]
  const gate = new Gate()
  const bodies = new LateBodies()
  const near = await startNode(t, prefix)
  const far = await startApp(t, { engine: redis({ port: server.port, host: '127.0.0.1' }, { prefix }) }, {
    ...bodies,
    after: ({ ws }) => ws.handle('app.slow', { schema: Type.Object({}), rest: true }, async (_message, { signal }) => {
      await gate.wait()
      a.push(`told: ${signal.aborted}`)
    })
  })
  const headers = { authorization: `Bearer ${issued('alice', { jti: 'laptop' })}` }
  const running = far.rest('POST', '/ws/call/app.slow', { as: null, headers, body: {} })
  await gate.reached
  const late = await bodies.head(far.origin, '/ws/call/app.slow', {}, headers)
  const revoked = near.app.ws.revoke({ jti: 'laptop' }).then((report) => {
    a.push('revoked')
    return report
  })
  await until(async () => (await far.rest('GET', '/ws/confirmations', { as: null, headers })).status === 401)
  t.same(await late(), { status: 401, body: { statusCode: 401, code: 'WSM_ERR_UNAUTHORIZED', error: 'Unauthorized', message: REVOKED.reason } })
  gate.open()
  t.match(await revoked, { complete: true, missing: [] })
  await running
  t.same(a, ['told: true', 'revoked'])
})

t.test('a ticket of one node opens one socket on another', async (t) => {
  const [a, b] = await startTwo(t)
  const { body: { ticket } } = await a.rest('POST', '/ws/tickets', { as: 'alice' })
  const outcomes = await Promise.all(Array.from({ length: 10 }, (_, n) =>
    (n % 2 === 0 ? a : b).dial('', { token: null, path: `/ws?ticket=${ticket}` }).opened().then(() => 101, ({ statusCode }) => statusCode)))
  t.same(outcomes.sort(), [101, ...Array(9).fill(401)])
  const second = (await a.rest('POST', '/ws/tickets', { as: 'alice' })).body
  const client = await b.connect('', { token: null, path: `/ws?ticket=${second.ticket}` })
  t.match(client.received[0], { data: { user_id: 'alice' } })
})

t.test('a revocation survives all nodes, and with a persistent Redis also a restart of Redis', async (t) => {
  const own = await RedisServer.start(t, { isDurable: true, config: ['--appendfsync', 'always'] })
  const prefix = randomUUID()
  const before = await startNode(t, prefix, own.port)
  await before.app.ws.revoke({ userId: 'alice' })
  await before.app.close()
  await own.kill()
  await own.start()
  const after = await startNode(t, prefix, own.port)
  t.match(await refusal(after.dial('', { token: issued('alice') })), { statusCode: 401, body: { message: REVOKED.reason } })
  await after.connect('', { token: issued('bob') })
})

t.test('an unreachable node is reported missing, admits nobody, and applies the revocation when it is back', async (t) => {
  const proxy = await TcpProxy.start(t, server.port)
  const prefix = randomUUID()
  const near = await startNode(t, prefix)
  const far = await startNode(t, prefix, proxy.port, { commandTimeoutMs: 300 })
  const token = issued('alice')
  const client = await far.connect('', { token })
  // An auth frame waits for all that a socket begins with.
  await client.request({ type: 'auth', token })
  proxy.blackHole()
  t.same(await near.app.ws.revoke({ userId: 'alice' }), { closed: 0, complete: false, missing: [far.app.ws.getStatus().node_id] })
  await until(async () => (await far.rest('GET', '/ws/ready', { as: null })).status === 503)
  for (const stranger of [token, issued('bob')]) {
    t.match(await refusal(far.dial('', { token: stranger })), { statusCode: 503, headers: { 'retry-after': /^\d+$/ }, body: { code: 'WSM_ERR_UNAVAILABLE' } })
  }
  t.match(await far.rest('GET', '/ws/status'), { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
  t.match(await client.request({ type: 'auth', token: issued('alice') }), { type: 'error', code: 'unavailable' })
  proxy.heal()
  t.same(await client.closed, REVOKED)
  t.equal((await refusal(far.dial('', { token }))).statusCode, 401)
  await far.connect('', { token: issued('bob') })
})

t.test('a malformed call of another node is not served', async (t) => {
  const prefix = randomUUID()
  const node = await startNode(t, prefix)
  const stranger = await nodesOf(server.port, { prefix })(ENGINE)
  t.teardown(() => stranger.close())
  const client = await node.connect('', { token: issued('alice') })
  for (const told of [null, {}, { expiresAt: Date.now() + 1_000 }, { userId: 'alice', expiresAt: Date.now() + 1_000 }, { jti: 7, expiresAt: 7 }]) {
    t.same(await stranger.cluster.ask('revoke', told, 2_000), { answers: [], missing: [node.app.ws.getStatus().node_id] })
  }
  const missing = [node.app.ws.getStatus().node_id]
  for (const target of [null, {}, { client_id: 7, reason: 'enough' }]) {
    t.same(await stranger.cluster.ask('disconnect', target, 2_000), { answers: [], missing })
  }
  t.match(await stranger.cluster.ask('disconnect', { reason: 'enough' }, 2_000), { answers: [{ data: 0 }], missing: [] })
  t.same(await stranger.cluster.ask('clients', { limit: 0 }, 2_000), { answers: [], missing })
  await client.settled()
})

t.test('while Redis is down nothing is revoked, and the call says so', async (t) => {
  const own = await RedisServer.start(t)
  const node = await startNode(t, randomUUID(), own.port, { commandTimeoutMs: 300 })
  await node.connect('', { token: issued('alice') })
  own.pause()
  t.teardown(() => own.resume())
  await t.rejects(node.app.ws.revoke({ userId: 'alice' }), { code: 'WSM_ERR_UNAVAILABLE', statusCode: 503 })
  const refused = await node.rest('POST', '/ws/revocations', { body: { user_id: 'alice' } })
  t.equal(refused.status, 503)
  t.match(refused.headers.get('retry-after'), /^\d+$/)
  t.match(await node.rest('POST', '/ws/tickets', { as: 'alice' }), { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
})
