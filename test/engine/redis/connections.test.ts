import { Redis } from 'ioredis'
import t from 'tap'
import { redis } from '../../../lib/engine/redis/redis.js'
import { client, ENGINE, KEPT, listening, numberOf, publication, question, taken } from '../../fixtures/engine-suite.js'
import { keepingLog, nodesOf, silent } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { until } from '../../fixtures/until.js'

const server = await RedisServer.start(t)
const context = { ...ENGINE, log: silent }

t.test('bad options of redis() are refused by name', async (t) => {
  for (const [options, name] of [
    [{ prefix: 'a{b}' }, 'engine.prefix'], [{ prefix: '' }, 'engine.prefix'], [{ prefix: 'a b' }, 'engine.prefix'], [{ prefix: 'a@1' }, 'engine.prefix'],
    [{ commandTimeoutMs: 0 }, 'engine.commandTimeoutMs'],
    [{ leaseMs: '5s' }, 'engine.leaseMs'], [{ unknown: 1 }, 'engine.unknown']
  ] as const) {
    t.throws(() => redis({}, options as object), { code: 'WSM_ERR_INVALID_OPTION', message: new RegExp(`"${name}"`) })
  }
  t.throws(() => redis({}, { prefix: 'a@1' }), { message: /Prefix of all key and channel names; without {, }, @ or white space/ })
  t.doesNotThrow(() => redis({}, { prefix: undefined }))
  for (const options of [null, 'prefix', 1, [], () => {}, new Map([['prefix', 'a']]), new Date()]) {
    t.throws(() => redis({}, options as never), { code: 'WSM_ERR_INVALID_OPTION', message: /"engine" .* second argument of redis\(\) must be a plain object/ }, String(options))
  }
})

t.test('the app\'s own client is only a template: it is neither used nor closed, and its unusual settings do no harm', async (t) => {
  const app = new Redis(server.port, '127.0.0.1', { db: 3, keyPrefix: 'app:', enableAutoPipelining: true, maxRetriesPerRequest: 0 })
  t.teardown(() => app.disconnect())
  await app.set('x', 1)
  const before = app.listenerCount('error')
  const { engine, deliveries } = await listening(t, () => redis(app, { prefix: 'own' })(context))
  await engine.subscribe('all')
  await engine.publish(publication('all', { n: 1 }), KEPT)
  t.equal(numberOf(await deliveries.next()), 1)
  t.ok((await app.keys('*')).every((key) => key === 'app:x' || key.startsWith('own@3:')))
  await engine.close()
  t.equal(await app.get('x'), '1')
  t.equal(app.listenerCount('error'), before)
})

t.test('one prefix in two databases makes two separate clusters', async (t) => {
  const build = (db: number) => () => redis({ host: '127.0.0.1', port: server.port, db }, { prefix: 'two' })(context)
  const [a, b] = [await listening(t, build(0)), await listening(t, build(1))]
  for (const { engine } of [a, b]) await engine.subscribe('all')
  await a.engine.publish(publication('all', { n: 1 }), KEPT)
  await b.engine.publish(publication('all', { n: 2 }), KEPT)
  t.equal(numberOf(await b.deliveries.next()), 2)
  t.equal(b.deliveries.all.length, 1)
  t.strictSame(await a.engine.cluster.ask('any', null, 1_000), { answers: [], missing: [] })
})

t.test('while Redis refuses writes calls fail with unavailable, and the node notices when it accepts them again', async (t) => {
  const replica = await RedisServer.start(t)
  const { engine } = await listening(t, nodesOf(replica.port, { commandTimeoutMs: 500 }))
  await engine.publish(publication('all'), KEPT)
  await replica.admin.replicaof('127.0.0.1', 1)
  await t.rejects(engine.confirmations.create(question()), { code: 'WSM_ERR_UNAVAILABLE' })
  await t.rejects(engine.publish(publication('all'), KEPT), { code: 'WSM_ERR_UNAVAILABLE' })
  const waiting = engine.publish(publication('all'), KEPT)
  await replica.admin.replicaof('NO', 'ONE')
  t.match(await waiting, { offset: 2 }, 'what was asked for meanwhile has not been refused')
})

t.test('while Redis is full calls that need room fail with unavailable', async (t) => {
  const full = await RedisServer.start(t)
  const { engine } = await listening(t, nodesOf(full.port))
  await engine.publish(publication('all'), KEPT)
  await full.admin.config('SET', 'maxmemory', '1')
  await t.rejects(engine.publish(publication('all'), KEPT), { code: 'WSM_ERR_UNAVAILABLE' })
  await full.admin.config('SET', 'maxmemory', '0')
  t.match(await engine.publish(publication('all'), KEPT), { offset: 2 })
})

t.test('a call on a key with unexpected contents fails with unavailable, and other calls work', async (t) => {
  const prefix = 'wrong'
  const { engine, breaks, deliveries } = await listening(t, nodesOf(server.port, { prefix, checkMs: 50 }))
  await server.admin.set(`${prefix}:{channel:bad}:log`, 'no stream')
  const { segment } = await server.admin.hgetall(`${prefix}:lane:{all}`)
  await server.admin.hset(`${prefix}:{channel:bad}:position`, { epoch: 'e', offset: 1, generation: segment!.split('.')[0]! })
  const [bad, good] = await Promise.allSettled(['channel:bad', 'channel:good'].map((topic) => engine.publish(publication(topic), KEPT)))
  t.match(bad, { status: 'rejected', reason: { code: 'WSM_ERR_UNAVAILABLE' } })
  await t.rejects(engine.publish({ ...publication('channel:bad'), sender: 'user:alice' }, KEPT), { code: 'WSM_ERR_UNAVAILABLE' })
  t.match(good, { status: 'fulfilled', value: { offset: 1 } })
  await server.admin.hset(`${prefix}:{~questions}:record:x`, 'record', '{"not":"a question"}')
  await server.admin.hset(`${prefix}:{~questions}:record:y`, { record: JSON.stringify(question()), settlement: '{"not":"a settlement"}', at: 1 })
  for (const id of ['x', 'y']) t.equal(await engine.confirmations.get(id), null)
  await t.rejects(engine.confirmations.settle('x', { outcome: 'confirmed', proceed: true, answered_by: null }), { code: 'WSM_ERR_UNAVAILABLE' })
  await server.admin.set(`${prefix}:{channel:who}:users`, 'no hash')
  await t.rejects(engine.subscribe('channel:who'), { code: 'WSM_ERR_UNAVAILABLE' })
  await server.admin.del(`${prefix}:{channel:who}:users`)
  t.match(await engine.subscribe('channel:who'), { offset: 0 })
  const start = await engine.subscribe('channel:log')
  await engine.publish(publication('channel:log'), KEPT)
  await deliveries.next()
  await server.admin.xadd(`${prefix}:{channel:log}:log`, '2-0', 'x', '9999999999999', 'm', 'garbage')
  await server.admin.hset(`${prefix}:{channel:log}:position`, 'offset', 2)
  t.match(await breaks.next(), { topic: 'channel:log', position: { epoch: start.epoch, offset: 2 } })
  await until(() => engine.cluster.availability.status === 'ready')
})

t.test('lost messages and presence that cannot be read are read as soon as possible', async (t) => {
  const prefix = 'unreadable'
  const { log, messages } = keepingLog()
  const { engine, deliveries, changes } = await listening(t, nodesOf(server.port, { prefix, checkMs: 50 }, log))
  const base = `${prefix}:{channel:a}`
  await engine.subscribe('channel:a')
  await engine.publish(publication('channel:a'), KEPT)
  await deliveries.next()
  await server.admin.set(`${base}:log`, 'no stream')
  await server.admin.hset(`${base}:position`, 'offset', 2)
  await until(() => messages.includes('could not recover lost messages yet; will retry'))
  await server.admin.del(`${base}:log`)
  await server.admin.xadd(`${base}:log`, '2-0', 'x', '9999999999999', 'm', '0,null]\n{"n":2}')
  t.equal(numberOf(await deliveries.next()), 2)
  await server.admin.set(`${base}:users`, 'no hash')
  await server.admin.publish(base, '{"number":2,"channel":"a","kind":"joined","user_id":"alice"}')
  await until(() => messages.includes('could not re-read the presence of a channel yet; will retry'))
  t.equal(changes.all.length, 0)
  await server.admin.del(`${base}:users`)
  await engine.presence.add('a', client('c1', 'bob'))
  t.strictSame(await taken(changes, 1), ['bob joined a'])
})

t.test('a subscription that the server refuses is unavailable until the server allows it', async (t) => {
  const strict = await RedisServer.start(t)
  const prefix = 'refused'
  const { engine, deliveries } = await listening(t, nodesOf(strict.port, { prefix }))
  await strict.admin.acl('SETUSER', 'default', 'resetchannels', `&${prefix}:cluster*`, `&${prefix}:{~questions}`)
  await t.rejects(engine.subscribe('all'), { code: 'WSM_ERR_UNAVAILABLE', message: /it refused a subscription/ })
  await until(() => engine.cluster.availability.status === 'degraded')
  t.strictSame(engine.cluster.availability.reasons, ['access_denied'])
  await strict.admin.acl('SETUSER', 'default', 'allchannels')
  await engine.subscribe('all')
  await until(() => engine.cluster.availability.status === 'ready')
  await engine.publish(publication('all', { n: 1 }), KEPT)
  t.equal(numberOf(await deliveries.next()), 1)
})
