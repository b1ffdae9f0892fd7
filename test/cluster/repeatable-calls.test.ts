import { once } from 'node:events'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { redis } from '../../lib/engine/redis/redis.js'
import type { HandlerContext, WsPluginOptions } from '../../lib/index.js'
import { SECRET, startApp, type TestApp } from '../fixtures/app.js'
import { TestClient } from '../fixtures/client.js'
import { Gate } from '../fixtures/gate.js'
import { startProcess } from '../fixtures/process.js'
import { RedisServer } from '../fixtures/redis.js'
import { until } from '../fixtures/until.js'

const server = await RedisServer.start(t)
const engine = { leaseMs: 600 }
const unknown = { type: 'error', code: 'outcome_unknown' }
const work = { type: 'work.do', idempotency_key: 'k' }
let prefixes = 0

type Work = (run: number, context: HandlerContext, n: number) => unknown

/** Two apps that share what they know; their handler `work.do` counts the runs of both. */
async function startNodes (t: Test, handler: Work, options: WsPluginOptions = {}) {
  const prefix = `test-${prefixes++}`
  const runs = { count: 0 }
  const start = () => startApp(t, { engine: redis({ port: server.port, host: '127.0.0.1' }, { prefix, ...engine }), ...options }, {
    after: ({ ws }) => ws.handle('work.do', { schema: Type.Object({ n: Type.Optional(Type.Number()) }), rest: true },
      ({ n = 0 }, context) => handler(++runs.count, context as HandlerContext, n))
  })
  const [a, b] = await Promise.all([start(), start()])
  return { a, b, runs, prefix }
}

const rest = (node: TestApp, key = 'k') => node.rest('POST', '/ws/call/work.do', { as: 'alice', body: {}, headers: { 'idempotency-key': key } })

t.test('a call runs once over all nodes, by socket and by REST, however many ask at the same time', async (t) => {
  const { a, b, runs } = await startNodes(t, async (run) => ({ run }))
  const clients = await Promise.all([a, b, a, b].map((node) => node.connect('alice')))
  const answers = await Promise.all([...clients, ...clients].map((client) => client.request(work)))
  for (const answer of answers) t.match(answer, { type: 'reply', data: { run: 1 } })
  for (const node of [a, b]) t.match(await rest(node), { status: 200, body: { data: { run: 1 } } })
  t.match(await (await b.connect('bob')).request(work), { data: { run: 2 } })
  t.equal(runs.count, 2)
})

t.test('a repetition on another node waits for the call, also when its socket has ended', async (t) => {
  const gate = new Gate()
  const { a, b, runs } = await startNodes(t, async (run) => {
    await gate.wait()
    return { run }
  })
  const first = await a.connect('alice')
  first.send(work)
  await gate.reached
  await first.close()
  const second = await b.connect('alice')
  const answers = [second.request(work), rest(b)] as const
  await second.settled()
  gate.open()
  t.match(await answers[0], { type: 'reply', data: { run: 1 } })
  t.match(await answers[1], { status: 200, body: { data: { run: 1 } } })
  t.equal(runs.count, 1)
})

t.test('the outcome of a call whose node closes is unknown at once, and the call is not run again', async (t) => {
  const { a, b, runs } = await startNodes(t, () => new Promise(() => {}), { closeTimeoutMs: 100 })
  const first = await a.connect('alice')
  first.send(work)
  await until(() => runs.count === 1)
  const second = await b.connect('alice')
  const answer = second.request(work)
  await second.settled()
  await a.app.close()
  t.match(await answer, unknown)
  t.match(await rest(b), { status: 409, body: { code: 'WSM_ERR_OUTCOME_UNKNOWN' } })
  t.equal(runs.count, 1)
})

t.test('a call whose node is killed is not run again: its outcome is unknown once the lease is over', async (t) => {
  const { a, runs, prefix } = await startNodes(t, (run) => run)
  const { origin, child } = await startProcess(t, ['test/fixtures/call-node.mjs'], { NODE: JSON.stringify({ port: server.port, secret: SECRET, engine: { prefix, ...engine } }) })
  const first = await new TestClient(origin.replace('http', 'ws') + '/ws', ['ws-manager.v1', `bearer.${a.token('alice')}`]).opened()
  first.send(work)
  await first.next('work.begun')
  const second = await a.connect('alice')
  const waits = second.request(work)
  await second.settled()
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.match(await waits, unknown)
  t.match(await second.request(work), unknown)
  t.match(await second.request({ ...work, idempotency_key: 'next' }), { data: 1 })
  t.equal(runs.count, 1)
})

t.test('frames of a socket start in the order of their arrival', async (t) => {
  const started: number[] = []
  const { a } = await startNodes(t, (_run, _context, n) => started.push(n))
  const client = await a.connect('alice')
  const frames = Array.from({ length: 60 }, (_, n) => ({ type: 'work.do', n, ...n % 3 !== 2 && { idempotency_key: `k${n}` } }))
  await Promise.all(frames.map((frame) => client.request(frame)))
  t.strictSame(started, frames.map(({ n }) => n))
})

t.test('a repetition waits for a call that runs on its node, even if Redis has lost the call', async (t) => {
  const gate = new Gate()
  const { a, runs, prefix } = await startNodes(t, async (run) => {
    await gate.wait()
    return { run }
  })
  const client = await a.connect('alice')
  const first = client.request(work)
  await gate.reached
  await server.admin.del(await server.admin.keys(`${prefix}:call:*`))
  const repeated = [client.request(work), client.request(work)]
  await client.settled()
  gate.open()
  for (const answer of [first, ...repeated]) t.match(await answer, { data: { run: 1 } })
  t.equal(runs.count, 1)
})

t.test('a call that Redis has lost is not run again on the node that ran it, and then on no other', async (t) => {
  const { a, b, runs, prefix } = await startNodes(t, (run) => run)
  const [first, second] = [await a.connect('alice'), await b.connect('alice')]
  t.match(await first.request(work), { data: 1 })
  await server.admin.del(await server.admin.keys(`${prefix}:call:*`))
  for (const client of [first, second, first]) t.match(await client.request(work), unknown)
  t.equal(runs.count, 1)
})
