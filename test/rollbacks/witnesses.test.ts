import t, { type Test } from 'tap'
import type { Engine, StreamPosition } from '../../lib/engine/engine.js'
import type { RedisEngine } from '../../lib/engine/redis/engine.js'
import { KEPT, listening, numberOf, publication, question, settlement } from '../fixtures/engine-suite.js'
import { nodesOf } from '../fixtures/redis-nodes.js'
import { TcpProxy } from '../fixtures/tcp-proxy.js'
import { alice } from '../fixtures/ticket-suite.js'
import { until } from '../fixtures/until.js'
import { Master } from './masters.js'

const PREFIX = 'witnesses'

/** A server with snapshots, and nodes that look at nothing by themselves. */
async function nodes (t: Test, count: number) {
  const master = await Master.start(t, PREFIX)
  const build = nodesOf(master.port, { prefix: PREFIX, leaseMs: 30_000, checkMs: 60_000 })
  const engines: Engine[] = []
  for (let n = 0; n < count; n++) engines.push((await listening(t, build)).engine)
  return { master, engines: engines as [RedisEngine, RedisEngine] }
}

const send = (engine: Engine, n: number) => engine.publish(publication('channel:x', { n }), KEPT)

/** Tells whether somebody who comes back to a node would be told that nothing is missing, without this message. */
async function isLie (engine: Engine, away: StreamPosition | null, n: number): Promise<boolean> {
  const { isComplete, entries } = await engine.history('channel:x', away, 10)
  return isComplete && !entries.some((entry) => numberOf(entry) === n)
}

t.test('an epoch is assigned once, even if a lost publication is sent again', async (t) => {
  const { master, engines: [near] } = await nodes(t, 1)
  const proxy = await TcpProxy.start(t, master.port)
  const far = (await listening(t, nodesOf(proxy.port, { prefix: PREFIX, leaseMs: 30_000, checkMs: 60_000 }))).engine
  await far.publish(publication('channel:warm'), KEPT)
  await master.admin.del(`${PREFIX}:beginnings:{all}:epoch`)
  await master.keep()
  proxy.falsify(() => Buffer.alloc(0))
  const sending = send(far, 1)
  await until(async () => (await master.admin.exists(`${PREFIX}:{channel:x}:log`)) === 1)
  const second = await send(near, 2)
  await master.goBack()
  proxy.falsify((chunk) => chunk)
  proxy.cut()
  await sending
  await send(near, 3)
  t.notOk(await isLie(near, second, 3))
})

t.test('a node that has reported on one Redis master still detects the rollback to an older one', async (t) => {
  const { master, engines: [idle, other] } = await nodes(t, 2)
  const away = await send(other, 1)
  await master.keep('old')
  await master.failOver()
  await send(other, 2)
  await master.keep('newer')
  await send(other, 3)
  const inquiry = async () => {
    const { segment, number, ended } = await master.admin.hgetall(`${PREFIX}:lane:{all}`)
    const marks = ended === '' ? [] : [ended!.split(' ').map((part, at) => at === 1 ? Number(part) : part)]
    return { lanes: [{ key: `${PREFIX}:lane:{all}`, master: 'any', segment, number: Number(number), ended: marks }] }
  }
  await master.goBack('newer')
  t.match(await idle.cluster.ask('lanes', await inquiry(), 1_000), { answers: [{ data: { lanes: [{ verdict: 'lost' }] } }] })
  await master.goBack('old')
  t.notOk(await isLie(idle, away, 3))
})

t.test('a leaving node tells an idle one about newer positions of streams and spent tickets', async (t) => {
  const { master, engines: [idle, leaves] } = await nodes(t, 2)
  const away = await send(leaves, 1)
  await leaves.tickets.put('key', alice, leaves.clock.now() + 60_000)
  await master.keep()
  await send(leaves, 2)
  t.ok(await leaves.tickets.take('key'))
  await master.goBack()
  await send(leaves, 3)
  await leaves.close()
  await master.goBack()
  t.equal(await idle.tickets.take('key'), null)
  t.notOk(await isLie(idle, away, 3))
})

t.test('a node accepts no publication after its farewell', async (t) => {
  const { master, engines: [leaves] } = await nodes(t, 1)
  const ear = master.admin.duplicate()
  t.teardown(() => ear.disconnect())
  await ear.subscribe(`${PREFIX}:cluster`)
  const heard = new Promise((resolve) => { ear.on('message', (_channel, text) => { if (text.includes('"farewell"')) resolve(null) }) })
  leaves.cluster.peers.heard('a node that does not answer')
  const closing = leaves.close()
  await heard
  await t.rejects(send(leaves, 1), { code: 'WSM_ERR_UNAVAILABLE' })
  await closing
})

t.test('a leaving node tells the others how questions were settled that they may not know of', async (t) => {
  const { master, engines: [stays, leaves] } = await nodes(t, 2)
  const record = question({ created_at: stays.clock.now() })
  await stays.confirmations.create(record)
  await master.keep()
  const { confirmations } = stays
  const receive = confirmations.receive.bind(confirmations)
  let missed = 0
  confirmations.receive = () => { missed++ }
  await leaves.confirmations.settle(record.callback_id, settlement())
  await until(() => missed > 0)
  confirmations.receive = receive
  await leaves.close()
  await master.goBack()
  t.match(await confirmations.settle(record.callback_id, { ...settlement(), outcome: 'declined', proceed: false }), { won: false, record: { status: 'confirmed' } })
})

t.test('a snapshot restored into a running Redis server is detected', async (t) => {
  const { master, engines: [engine] } = await nodes(t, 1)
  const away = await send(engine, 1)
  await master.keep()
  await send(engine, 2)
  await master.restore()
  t.notOk(await isLie(engine, away, 2))
})
