import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Engine } from '../../../lib/engine/engine.js'
import type { RedisEngine } from '../../../lib/engine/redis/engine.js'
import { listening, question, settlement } from '../../fixtures/engine-suite.js'
import { keepingLog, nodesOf } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { until } from '../../fixtures/until.js'

/** A server whose last snapshot is what it comes back with, and nodes on it. */
async function nodes (t: Test, count: number) {
  const server = await RedisServer.start(t)
  const build = nodesOf(server.port, { prefix: randomUUID(), leaseMs: 900, checkMs: 50, commandTimeoutMs: 600 })
  const engines = await Promise.all(Array.from({ length: count }, async () => (await listening(t, build)).engine))
  const goBack = async () => {
    await server.kill()
    await server.start()
    // What is not known yet is not answered.
    for (const engine of engines) await until(() => engine.confirmations.get('no such').then((found) => found === null, () => false))
  }
  return { server, build, engines, goBack }
}

const later = () => Date.now() + 60_000
const due = () => [{ kind: 'announce', at: later() }, { kind: 'expire', at: later() }]

async function answered (engine: Engine, id: string) {
  return engine.confirmations.settle(id, { ...settlement(), outcome: 'declined', proceed: false })
}

t.test('an answer that Redis has lost is not undone while a node knows it', async (t) => {
  const { server, engines: [asking, answering, other], goBack } = await nodes(t, 3)
  const record = question()
  await asking!.confirmations.create(record, due())
  await server.admin.save()
  t.match(await answering!.confirmations.settle(record.callback_id, settlement()), { won: true, record: { status: 'confirmed' } })
  await goBack()
  t.match(await answered(other!, record.callback_id), { won: false, record: { status: 'confirmed', proceed: true } })
  t.match(await asking!.confirmations.get(record.callback_id), { status: 'confirmed' })
  t.notOk((await asking!.confirmations.get(record.callback_id))!.uncertain)
  const { records } = await other!.confirmations.list({ status: 'pending' }, null, 10)
  t.strictSame(records, [])
})

t.test('a question that Redis has lost is stored again, ended, or open with its due times', async (t) => {
  const { server, engines: [asking, other], goBack } = await nodes(t, 2)
  await server.admin.save()
  const [open, ended] = [question(), question()]
  for (const record of [open, ended]) await asking!.confirmations.create(record, due())
  await other!.confirmations.settle(ended.callback_id, settlement())
  await goBack()
  await until(async () => (await other!.confirmations.get(open.callback_id)) !== null)
  await until(async () => (await asking!.confirmations.get(ended.callback_id)) !== null)
  t.match(await asking!.confirmations.get(ended.callback_id), { status: 'confirmed' })
  t.match(await other!.confirmations.list({ status: 'pending' }, null, 10), { records: [{ callback_id: open.callback_id }] })
  t.match(await other!.confirmations.list({ status: 'confirmed' }, null, 10), { records: [{ callback_id: ended.callback_id }] })
  t.not((await other!.confirmations.takeDue(10, 100)).nextInMs, null)
  t.match(await answered(other!, open.callback_id), { won: true })
})

t.test('an open question in doubt stays open if all nodes that could know an end report none', async (t) => {
  const { server, engines: [asking, other], goBack } = await nodes(t, 2)
  const record = question()
  await asking!.confirmations.create({ ...record, created_at: asking!.clock.now() }, due())
  await server.admin.save()
  await asking!.revocations.add({ jti: 'lost', expiresAt: later() })
  await goBack()
  const { records: [listed] } = await other!.confirmations.list({ status: 'pending' }, null, 10)
  t.match(listed, { callback_id: record.callback_id, status: 'pending' })
  t.notOk(listed!.uncertain)
  t.match(await answered(asking!, record.callback_id), { won: true, record: { uncertain: undefined } })
})

t.test('a question whose end no node can know is uncertain, and due to be announced', async (t) => {
  const { server, build, engines: [asking] } = await nodes(t, 1)
  const records = [question(), question(), question()]
  for (const record of records) await asking!.confirmations.create(record, [{ kind: 'announce', at: Date.now() - 1 }, { kind: 'expire', at: later() }])
  await server.admin.save()
  await asking!.confirmations.settle(records[0]!.callback_id, settlement())
  await asking!.close()
  await server.kill()
  await server.start()
  const { engine } = await listening(t, build)
  t.strictSame((await engine.confirmations.takeDue(1, 60_000)).due, [], 'what is in doubt is not shown as it was')
  t.match(await engine.confirmations.get(records[0]!.callback_id), { status: 'pending', uncertain: true, question: { uncertain: true } })
  t.match(await engine.confirmations.list({ status: 'pending' }, null, 10), { records: records.map(() => ({ uncertain: true })) })
  const announced = (await engine.confirmations.takeDue(10, 50)).due
  t.strictSame(announced.map(({ kind }) => kind), ['announce', 'announce', 'announce'])
  t.match(announced[0]!.record.question, { uncertain: true })
  t.match(await engine.confirmations.settle(records[0]!.callback_id, settlement()), { won: true, record: { uncertain: true } })
})

t.test('a question in doubt is resolved before it is read, listed, due or settled', async (t) => {
  const { server, engines: [engine, other] } = await nodes(t, 2)
  const doubt = async (at: number) => {
    const record = question({ created_at: engine!.clock.now() })
    await engine!.confirmations.create(record, [{ kind: 'announce', at }])
    const [key] = await server.admin.keys(`*:record:${record.callback_id}`)
    await server.admin.hset(key!, 'generation', '-')
    return record.callback_id
  }
  const id = await doubt(later())
  t.match(await answered(other!, id), { won: true, record: { callback_id: id, uncertain: undefined } })
  const got = await doubt(later())
  t.match(await other!.confirmations.get(got), { callback_id: got, uncertain: undefined })
  const listed = await doubt(later())
  t.match((await other!.confirmations.list({ status: 'pending' }, null, 10)).records.map(({ callback_id: id }) => id), [got, listed])
  const due = await doubt(Date.now() - 1)
  const wasDue = await other!.confirmations.takeDue(10, 1)
  t.strictSame(wasDue.due, [])
  await until(async () => (await other!.confirmations.takeDue(10, 1)).due.some(({ record }) => record.callback_id === due))
})

t.test('a node that started after a question was asked cannot say that it is open', async (t) => {
  const { server, build, engines: [asking] } = await nodes(t, 1)
  const record = question({ created_at: asking!.clock.now() })
  await asking!.confirmations.create(record)
  await asking!.close()
  const { engine } = await listening(t, build)
  const [key] = await server.admin.keys(`*:record:${record.callback_id}`)
  await server.admin.hset(key!, 'generation', '-')
  t.match(await engine.confirmations.get(record.callback_id), { status: 'pending', uncertain: true })
})

t.test('a malformed reply between nodes is ignored', async (t) => {
  const { server, engines: [engine, other] } = await nodes(t, 2)
  t.match(await engine!.cluster.ask('ends', 'nonsense', 1_000), { answers: [{ data: null }] })
  other!.cluster.onAsk('ends', () => ({ ends: [], since: 0 }))
  const record = question({ created_at: 1 })
  await engine!.confirmations.create(record)
  const [key] = await server.admin.keys(`*:record:${record.callback_id}`)
  await server.admin.hset(key!, 'generation', '-')
  t.match(await engine!.confirmations.get(record.callback_id), { uncertain: true })
})

t.test('a failed attempt to store a question again is retried later', async (t) => {
  const server = await RedisServer.start(t)
  const { log, messages } = keepingLog()
  const { engine } = await listening(t, nodesOf(server.port, { leaseMs: 600, checkMs: 50, commandTimeoutMs: 500 }, log))
  const record = question()
  await engine.confirmations.create(record)
  const { confirmations, presence } = engine as RedisEngine
  const restore = confirmations.restore.bind(confirmations)
  confirmations.restore = async () => {
    confirmations.restore = restore
    throw new Error('out of reach')
  }
  await server.kill()
  await t.resolves(presence.restoreLost(), 'nor is it a fault that who is in channels could not be looked at')
  await server.start()
  await until(() => messages.includes('could not yet restore questions that Redis has lost; will retry'))
  await until(async () => (await engine.confirmations.get(record.callback_id).catch(() => null))?.status === 'pending')
})

t.test('a lost question of another node is no longer watched; a malformed end is ignored', async (t) => {
  const { server, engines: [engine, other] } = await nodes(t, 2)
  const { confirmations } = other as RedisEngine
  const record = question()
  await engine!.confirmations.create(record)
  await confirmations.get(record.callback_id)
  const told: string[] = []
  confirmations.onSettled(({ callback_id: id }) => { told.push(id) })
  confirmations.receive('nonsense')
  const [key] = await server.admin.keys(`*:record:${record.callback_id}`)
  await server.admin.del(key!)
  await confirmations.catchUp()
  t.strictSame([await confirmations.get(record.callback_id), told], [null, []])
})

t.test('the asking node stores a lost question again, and leaves an existing one', async (t) => {
  const { server, engines: [engine] } = await nodes(t, 1)
  const { confirmations } = engine as RedisEngine
  const [lost, kept] = [question(), question()]
  for (const record of [lost, kept]) await confirmations.create(record)
  const [key] = await server.admin.keys(`*:record:${lost.callback_id}`)
  await server.admin.del(key!)
  await confirmations.catchUp()
  const { records } = await confirmations.list({ status: 'pending' }, null, 10)
  t.strictSame(new Set(records.map(({ callback_id: id }) => id)), new Set([lost.callback_id, kept.callback_id]))
})

t.test('a node stores again the open questions and the ends that it knows and Redis has lost', async (t) => {
  const { server, engines: [engine, other] } = await nodes(t, 2)
  const [open, ended] = [question(), question()]
  for (const record of [open, ended]) await engine!.confirmations.create(record)
  await engine!.confirmations.settle(ended.callback_id, settlement())
  await server.admin.del(...await server.admin.keys('*:record:*'))
  t.strictSame(await Promise.all([open, ended].map(({ callback_id: id }) => other!.confirmations.get(id))), [null, null])
  await (engine as RedisEngine).confirmations.restore()
  t.match(await other!.confirmations.get(open.callback_id), { status: 'pending' })
  t.match(await other!.confirmations.get(ended.callback_id), { status: 'confirmed' })
})

t.test('a question of a version without generations is in doubt only after Redis has lost writes', async (t) => {
  const { server, engines: [engine], goBack } = await nodes(t, 1)
  const record = question({ created_at: 1 })
  await engine!.confirmations.create(record)
  const [key] = await server.admin.keys(`*:record:${record.callback_id}`)
  await server.admin.hdel(key!, 'generation')
  const uncertain = async () => (await engine!.confirmations.get(record.callback_id))!.uncertain
  t.equal(await uncertain(), undefined)
  t.match(await engine!.confirmations.list({ status: 'pending' }, null, 10), { records: [{ uncertain: undefined }] })
  await server.admin.save()
  await engine!.revocations.add({ jti: 'lost', expiresAt: later() })
  await goBack()
  t.equal(await uncertain(), true)
  t.match(await engine!.confirmations.settle(record.callback_id, settlement()), { won: true, record: { uncertain: true } })
})
