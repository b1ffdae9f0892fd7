import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Layouts } from '../../../lib/engine/redis/layouts.js'
import { positions } from '../../../lib/engine/redis/stream-scripts.js'
import { ENGINE, KEPT, listening, publication } from '../../fixtures/engine-suite.js'
import { keepingLog, nodesOf, silent } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { root } from '../../fixtures/root.js'
import { until } from '../../fixtures/until.js'

const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
const server = await RedisServer.start(t)
const redis = server.admin
const runId = /run_id:(\w+)/.exec(await redis.info('server'))![1]!

/** Nodes that share a prefix, and hear soon who is there. */
function nodes (log = silent, leaseMs = 300) {
  const prefix = randomUUID()
  return { prefix, build: nodesOf(server.port, { prefix, leaseMs }, log), leases: `${prefix}:{nodes}:leases`, layouts: `${prefix}:{nodes}:layouts` }
}

/** A node of layout 1, of which others see that it has a lease. */
async function oldNode (leases: string): Promise<string> {
  const id = randomUUID()
  await redis.zadd(leases, Date.now() + 600_000, id)
  return id
}

/** What comes on the channels of a prefix. */
async function wiretap (t: Test, prefix: string): Promise<string[]> {
  const payloads: string[] = []
  const tap = redis.duplicate() as Redis
  t.teardown(() => tap.disconnect())
  tap.on('pmessage', (_pattern, _channel, payload) => payloads.push(payload))
  await tap.psubscribe(`${prefix}:{*`)
  return payloads
}

t.test('each node announces its layout while it has a lease, and the one known to all is stored', async (t) => {
  const { build, layouts } = nodes()
  const [{ engine }, { engine: other }] = [await listening(t, build), await listening(t, build)]
  t.strictSame(await redis.hgetall(layouts), { [engine.cluster.nodeId]: '2', [other.cluster.nodeId]: '2', used: '2' })
  t.ok(await redis.pttl(layouts) > 50 * 86_400_000)
  await other.close()
  await until(async () => await redis.hexists(layouts, other.cluster.nodeId) === 0)
  t.strictSame(await redis.hgetall(layouts), { [engine.cluster.nodeId]: '2', used: '2' })
})

t.test('while a node of layout 1 is present, nothing is sent that it would not understand', async (t) => {
  const { prefix, build, leases, layouts } = nodes()
  const old = await oldNode(leases)
  const payloads = await wiretap(t, prefix)
  const { engine, deliveries } = await listening(t, build)
  await engine.subscribe('user:a')
  const said = async (n: number) => {
    payloads.length = 0
    await engine.publish(publication('user:a', { n }), KEPT)
    await deliveries.next()
    await until(() => payloads.length > 0)
    return payloads[0]!
  }
  t.match(await said(1), /^\["/)
  t.equal(await redis.hget(layouts, 'used'), '1')
  await redis.zrem(leases, old)
  await until(async () => (await said(2)).startsWith('2 '))
  t.equal(await redis.hget(layouts, 'used'), '2')
  await oldNode(leases)
  await until(async () => (await said(3)).startsWith('["'))
})

t.test('no layout is announced until every node certainly knows it', async (t) => {
  const layouts = new Layouts(silent)
  t.equal(layouts.mark, '')
  layouts.renewed(2, false)
  t.equal(layouts.mark, '', 'another node may be there whose lease Redis has lost')
  layouts.renewed(2, true)
  t.equal(layouts.mark, '2')
})

t.test('a request or a response of a node of layout 1 counts before its lease is read', async (t) => {
  for (const isResponse of [false, true]) {
    const { prefix, build } = nodes(silent, 60_000)
    const payloads = await wiretap(t, prefix)
    const { engine, deliveries } = await listening(t, build)
    await engine.subscribe('user:a')
    const said = async () => {
      payloads.length = 0
      await engine.pass(publication('user:a', {}))
      await deliveries.next()
      await until(() => payloads.length > 0)
      return payloads[0]!
    }
    t.match(await said(), /^2 /)
    const [channel, message] = isResponse ? [`cluster:${engine.cluster.nodeId}`, { ok: false }] : ['cluster', { kind: 'status' }]
    await redis.publish(`${prefix}:${channel}`, JSON.stringify({ id: randomUUID(), from: randomUUID(), data: null, ...message }))
    await until(async () => (await said()).startsWith('[null,'))
  }
})

t.test('a node refuses keys of an unknown layout, and names it', async (t) => {
  const { build, layouts } = nodes()
  await redis.hset(layouts, { used: '3' })
  await t.rejects(async () => build({} as never), {
    code: 'WSM_ERR_INVALID_OPTION',
    message: `fastify-ws-manager: option "engine" cannot read the keys under this prefix of Redis: they have layout 3, of a later version; version ${version} ` +
      'knows layouts 1 and 2. Start the later version, or choose another prefix'
  })
  // Nodes of a later version that have others of this one beside them write what those know.
  await redis.hset(layouts, { used: '2', [randomUUID()]: '3' })
  await listening(t, build)
})

t.test('messages of an unknown layout are logged once', async (t) => {
  const { log, messages } = keepingLog()
  const { prefix, build } = nodes(log)
  const { engine, deliveries } = await listening(t, build)
  await engine.subscribe('user:a')
  const strange = ['3 seg.ment 7 ["epoch",1,0,null]\n{}', '3 something else', '{"layout":"4","what":"ever"}']
  for (const payload of [...strange, '{"layout":"2"}', 'x y', '[', '2 a["e",1,0,null]\n{}', '{"layout":']) await redis.publish(`${prefix}:{user:a}`, payload)
  await redis.publish(`${prefix}:cluster`, '{"layout":"5","id":"1","from":"b","kind":"status","data":null}')
  await redis.publish(`${prefix}:cluster:${engine.cluster.nodeId}`, '{"layout":"5","id":"1","from":"b","ok":true,"data":null}')
  await engine.publish(publication('user:a', {}), KEPT)
  await deliveries.next()
  await until(() => messages.some((message) => message.includes('layout 5')))
  const heard = messages.filter((message) => /^ignor/.test(message))
  t.strictSame(heard.filter((message) => message.startsWith('ignoring')), ['3', '4', '5'].map((layout) =>
    `ignoring messages of layout ${layout}, which a node of a later version sends; this version (${version}) knows layouts 1 and 2`))
  t.equal(heard.filter((message) => message === 'ignored a malformed message between nodes').length, 5)
})

/** Keys as nodes of layout 1 leave them; `base` is where the run of the server before had ended. */
async function layout1 (prefix: string, { run = runId, base = 0 } = {}): Promise<void> {
  const key = (name: string) => `${prefix}:{user:a}:${name}`
  await redis.hset(key('position'), { epoch: 'old', offset: 2, run, base })
  for (const n of [1, 2]) await redis.xadd(key('log'), `${n}-${Date.now()}`, 'x', Date.now() + 60_000, 'm', `0,null]\n{"type":"n","n":${n}}`)
  await redis.hset(`${prefix}:beginnings:{all}:epoch`, { epoch: 'begun', before: '', last: '', since: Date.now(), run })
}

t.test('streams of nodes of layout 1 on this server continue', async (t) => {
  const { prefix, build } = nodes()
  await layout1(prefix)
  const { engine } = await listening(t, build)
  t.match(await engine.history('user:a', { epoch: 'old', offset: 1 }, 10), { isComplete: true, entries: [{ position: { offset: 2 } }] })
  t.match(await engine.publish(publication('user:a', { n: 3 }), KEPT), { epoch: 'old', offset: 3 })
  t.match(await engine.history('user:unbegun', { epoch: 'begun', offset: 0 }, 10), { isComplete: true })
  await redis.hset(`${prefix}:{~tickets}:ticket:t`, { user: '{"id":"alice","claims":{},"expiresAt":null,"issuedAt":null,"jti":null}', list: `${prefix}:{~tickets}:user:alice` })
  t.match(await engine.tickets.take('t'), { id: 'alice' })
  // One of them may publish still, and begin streams.
  await redis.hset(`${prefix}:{user:b}:position`, { epoch: 'other', offset: 1, run: runId, base: 0 })
  t.match(await engine.history('user:b', { epoch: 'other', offset: 1 }, 10), { isComplete: true })
})

t.test('streams of nodes of layout 1 from before a server restart do not continue, since their end may be lost', async (t) => {
  for (const left of [{ run: '0'.repeat(40) }, { base: 1 }]) {
    const { prefix, build } = nodes()
    await layout1(prefix, left)
    const { engine } = await listening(t, build)
    t.match(await engine.history('user:a', { epoch: 'old', offset: 1 }, 10), { isComplete: false }, JSON.stringify(left))
    t.match(await engine.history('user:unbegun', { epoch: 'begun', offset: 0 }, 10), { isComplete: left.base === 1 }, JSON.stringify(left))
  }
})

t.test('streams of nodes of layout 1 continue if the restart is longer ago than a position lives', async (t) => {
  const { prefix, build } = nodes()
  await layout1(prefix, { base: 1 })
  await (await build(ENGINE)).close()
  const base = `${prefix}:{user:a}`
  const keys = [`${prefix}:beginnings:{all}:epoch`, `${prefix}:beginnings:{all}:forgotten`, `${base}:position`, `${base}:log`, `${prefix}:lane:{all}`]
  await until(async () => Number(/uptime_in_seconds:(\d+)/.exec(await redis.info('server'))![1]) > 0)
  const [, , found] = await redis.eval(positions.source, keys.length, ...keys, 'fresh', 100, 1000, 'old', 1) as [string, number, [string, number][]]
  t.strictSame(found, [['old', 2]])
})

t.test('nodes of layout 1 understand the keys that this version leaves', async (t) => {
  const { prefix, build } = nodes()
  const { engine } = await listening(t, build)
  await engine.history('user:unbegun', null, 10)
  // They begin it anew where it is not of their run.
  t.match(await redis.hgetall(`${prefix}:beginnings:{all}:epoch`), { run: runId })
})
