import { randomUUID } from 'node:crypto'
import t from 'tap'
import { listening, question, settlement } from '../../fixtures/engine-suite.js'
import { nodesOf } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'

const server = await RedisServer.start(t)

const expired = settlement({ outcome: 'expired', proceed: false, answered_by: null })

t.test('a question asked by a node of an earlier version ends normally', async (t) => {
  const prefix = randomUUID()
  const { engine: { confirmations: store } } = await listening(t, nodesOf(server.port, { prefix }))
  const record = question()
  await store.create(record)
  const key = `${prefix}:{~questions}:record:${record.callback_id}`
  t.equal(await server.admin.hdel(key, 'due', 'expires'), 2)
  t.match(await store.settle(record.callback_id, expired), { won: true, record: { status: 'expired' } })
})

t.test('a question asked by a node of an earlier version is read before it is answered', async (t) => {
  const prefix = randomUUID()
  const { engine: { confirmations: store } } = await listening(t, nodesOf(server.port, { prefix }))
  const record = question()
  await store.create(record)
  await server.admin.hdel(`${prefix}:{~questions}:record:${record.callback_id}`, 'user', 'checked')
  t.match(await store.settleAs('alice', record.callback_id, settlement()), { won: false, record: { status: 'pending' } })
  t.match(await store.settle(record.callback_id, settlement()), { won: true })
})

t.test('questions that an earlier version ended, or that Redis no longer has, are not due', async (t) => {
  const prefix = randomUUID()
  const { engine: { confirmations: store } } = await listening(t, nodesOf(server.port, { prefix }))
  const [ended, gone, open] = [question(), question(), question()]
  for (const record of [ended, gone, open]) await store.create(record, [{ kind: 'announce', at: 1 }])
  const base = `${prefix}:{~questions}`
  await server.admin.hset(`${base}:record:${ended.callback_id}`, { settlement: JSON.stringify(settlement()), at: 1 })
  await server.admin.del(`${base}:record:${gone.callback_id}`)
  t.strictSame((await store.takeDue(10, 60_000)).due, [{ kind: 'announce', record: open }])
  t.strictSame(await server.admin.zrange(`${base}:times`, 0, -1), [`announce ${open.callback_id}`])
})

t.test('an unreadable question is not among the due ones', async (t) => {
  const prefix = randomUUID()
  const { engine: { confirmations: store } } = await listening(t, nodesOf(server.port, { prefix }))
  const [malformed, open] = [question(), question()]
  for (const record of [malformed, open]) await store.create(record, [{ kind: 'announce', at: 1 }])
  await server.admin.hset(`${prefix}:{~questions}:record:${malformed.callback_id}`, 'record', '{}')
  t.strictSame((await store.takeDue(10, 60_000)).due, [{ kind: 'announce', record: open }])
})

t.test('a question whose storing is repeated keeps its state', async (t) => {
  const { engine: { confirmations: store } } = await listening(t, nodesOf(server.port))
  const record = question()
  const due = [{ kind: 'announce', at: 1 }, { kind: 'expire', at: 2 }]
  await store.create(record, due)
  await store.done([record.callback_id], 'announce')
  await store.create(record, due)
  t.match(await store.takeDue(10, 60_000), { due: [{ kind: 'expire' }] })
  await store.settle(record.callback_id, settlement())
  await store.create(record, due)
  t.strictSame(await store.takeDue(10, 60_000), { due: [], nextInMs: null })
})

t.test('Redis keeps a question until it expires, and then for as long as ended ones are kept', async (t) => {
  const prefix = randomUUID()
  const { engine: { confirmations: store } } = await listening(t, nodesOf(server.port, { prefix }))
  const now = Date.now()
  const key = ({ callback_id: id }: { callback_id: string }) => `${prefix}:{~questions}:record:${id}`
  const brief = question({ created_at: now, expires_at: now + 10_000 })
  const late = question({ created_at: now, expires_at: now - 1 })
  for (const record of [brief, late]) await store.create(record)
  const [leftMs, lateMs] = [await server.admin.pttl(key(brief)), await server.admin.pttl(key(late))]
  t.ok(leftMs > 60_000 && leftMs <= 70_000, `${leftMs} ms`)
  t.ok(lateMs > 50_000 && lateMs <= 60_000, `${lateMs} ms`)
})
