import { Type } from '@sinclair/typebox'
import t from 'tap'
import { clusterCall } from '../../lib/cluster/call.js'
import { listening } from '../fixtures/engine-suite.js'
import { nodesOf } from '../fixtures/redis-nodes.js'
import { RedisServer } from '../fixtures/redis.js'

const Pair = Type.Object({ a: Type.Integer(), b: Type.Integer() })
const sum = clusterCall('sum', { request: Pair, response: Type.Integer() })

const server = await RedisServer.start(t)

t.test('a call returns the values of all other nodes', async (t) => {
  const build = nodesOf(server.port, { prefix: 'all' })
  const [a, b, c] = [await listening(t, build), await listening(t, build), await listening(t, build)]
  for (const { engine: { cluster } } of [b, c]) sum.serve(cluster, ({ a, b }) => a + b)
  t.strictSame(await sum.all(a.engine.cluster, { a: 1, b: 2 }), { values: [3, 3], complete: true, missing: [] })
})

t.test('a node does not serve a malformed request, and counts as missing', async (t) => {
  const build = nodesOf(server.port, { prefix: 'request' })
  const [a, b] = [await listening(t, build), await listening(t, build)]
  sum.serve(b.engine.cluster, () => {
    t.fail('a malformed request is served')
    return 0
  })
  const missing = [b.engine.cluster.nodeId]
  for (const request of [null, 5, {}, { a: '1', b: 2 }]) {
    t.strictSame(await sum.all(a.engine.cluster, request as never), { values: [], complete: false, missing }, JSON.stringify(request))
  }
})

t.test('a node with a malformed response counts as missing', async (t) => {
  const build = nodesOf(server.port, { prefix: 'response' })
  const [a, b, c] = [await listening(t, build), await listening(t, build), await listening(t, build)]
  sum.serve(b.engine.cluster, ({ a, b }) => a + b)
  const missing = [c.engine.cluster.nodeId]
  for (const response of [null, undefined, '3', 3.5, [3]]) {
    c.engine.cluster.onAsk('sum', () => response)
    t.strictSame(await sum.all(a.engine.cluster, { a: 1, b: 2 }), { values: [3], complete: false, missing }, JSON.stringify(response))
  }
})

t.test('a call\'s time-out is that of its definition, or that of its caller', async (t) => {
  const asked: number[] = []
  const cluster = { ask: async (_name: string, _request: unknown, timeoutMs: number) => { asked.push(timeoutMs); return { answers: [], missing: null } } }
  const slow = clusterCall('slow', { request: Type.Null(), response: Type.Null(), timeoutMs: 3_000 })
  t.strictSame(await sum.all(cluster as never, { a: 1, b: 2 }), { values: [], complete: false, missing: null })
  await sum.all(cluster as never, { a: 1, b: 2 }, 500)
  await slow.all(cluster as never, null)
  t.strictSame(asked, [2_000, 500, 3_000])
})
