import { setImmediate, setTimeout } from 'node:timers/promises'
import t from 'tap'
import type { ConfirmationRecord } from '../../../schemas/records.js'
import { client, KEPT, listening, numberOf, publication, question, settlement, taken } from '../../fixtures/engine-suite.js'
import { Gate } from '../../fixtures/gate.js'
import { keepingLog, nodesOf } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { TcpProxy } from '../../fixtures/tcp-proxy.js'
import { until } from '../../fixtures/until.js'

const server = await RedisServer.start(t)

t.test('a publication of one node reaches every subscribed node, and no other', async (t) => {
  const build = nodesOf(server.port)
  const [a, b, c] = [await listening(t, build), await listening(t, build), await listening(t, build)]
  const start = await a.engine.subscribe('all')
  t.strictSame(await b.engine.subscribe('all'), start)
  await c.engine.subscribe('channel:other')
  const position = await c.engine.publish({ ...publication('all', { n: 1 }), except: ['x'] }, KEPT)
  t.strictSame(position, { epoch: start.epoch, offset: 1 })
  t.strictSame(await a.deliveries.next(), { ...publication('all', { n: 1 }), except: ['x'], position })
  t.strictSame(await b.deliveries.next(), a.deliveries.all[0])
  t.equal(c.deliveries.all.length, 0)
})

t.test('all nodes see simultaneous publications of several nodes in one order', async (t) => {
  const build = nodesOf(server.port)
  const nodes = await Promise.all([1, 2, 3].map(() => listening(t, build)))
  for (const { engine } of nodes) await engine.subscribe('all')
  await Promise.all(nodes.flatMap(({ engine }, node) =>
    Array.from({ length: 300 }, (_, n) => engine.publish(publication('all', { n: node * 1_000 + n }), KEPT))))
  await until(() => nodes.every(({ deliveries }) => deliveries.all.length === 900))
  const [first, ...others] = nodes.map(({ deliveries }) => deliveries.all.map(numberOf))
  for (const other of others) t.strictSame(other, first)
  for (const node of [0, 1, 2]) {
    const own = first!.filter((n) => Math.floor(n / 1_000) === node)
    t.strictSame(own, [...own].sort((x, y) => x - y), 'each one\'s own in the order of its calls')
  }
})

t.test('a user who is present on two nodes joins and leaves once', async (t) => {
  const build = nodesOf(server.port)
  const [a, b] = [await listening(t, build), await listening(t, build)]
  for (const { engine } of [a, b]) await engine.subscribe('channel:a')
  const [phone, laptop] = [client('c1', 'alice'), client('c2', 'alice')]
  await a.engine.presence.add('a', phone)
  await b.engine.presence.add('a', laptop)
  t.strictSame(await b.engine.presence.list('a'), [phone, laptop])
  await a.engine.presence.remove('a', phone)
  await b.engine.presence.remove('a', laptop)
  for (const { changes } of [a, b]) t.strictSame(await taken(changes, 2), ['alice joined a', 'alice left a'])
})

t.test('a user who leaves while the previous leave is in progress is removed, too', async (t) => {
  const build = nodesOf(server.port)
  const [a, b] = [await listening(t, build), await listening(t, build)]
  await b.engine.subscribe('channel:a')
  const [alice, bob] = [client('c1', 'alice'), client('c2', 'bob')]
  for (const one of [alice, bob]) await a.engine.presence.add('a', one)
  const first = a.engine.presence.remove('a', alice)
  await setImmediate()
  await Promise.all([first, a.engine.presence.remove('a', bob)])
  t.strictSame(await taken(b.changes, 4), ['alice joined a', 'bob joined a', 'alice left a', 'bob left a'])
  t.strictSame(await b.engine.presence.list('a'), [])
})

t.test('a closing node removes its sockets at once', async (t) => {
  const build = nodesOf(server.port)
  const [a, b] = [await listening(t, build), await listening(t, build)]
  await b.engine.subscribe('channel:a')
  await a.engine.presence.add('a', client('c1', 'alice'))
  await a.engine.close()
  t.strictSame(await taken(b.changes, 2), ['alice joined a', 'alice left a'])
  t.strictSame(await b.engine.presence.list('a'), [])
  t.strictSame(await b.engine.cluster.ask('any', null, 1_000), { answers: [], missing: [] })
})

t.test('a node that was cut off reports the joins and leaves it missed, each once', async (t) => {
  const proxy = await TcpProxy.start(t, server.port)
  const prefix = `roster-${Math.random()}`
  const near = await listening(t, nodesOf(server.port, { prefix }))
  const far = await listening(t, nodesOf(proxy.port, { prefix, commandTimeoutMs: 500 }))
  await near.engine.presence.add('a', client('c0', 'zoe'))
  await far.engine.subscribe('channel:a')
  await near.engine.presence.add('a', client('c1', 'alice'))
  t.strictSame(await taken(far.changes, 1), ['alice joined a'], 'who was there before is no news')
  proxy.blackHole()
  await near.engine.presence.add('a', client('c2', 'bob'))
  await near.engine.presence.remove('a', client('c1', 'alice'))
  await near.engine.presence.add('a', client('c3', 'carol'))
  await near.engine.presence.remove('a', client('c3', 'carol'))
  proxy.heal()
  t.strictSame(await taken(far.changes, 2), ['alice left a', 'bob joined a'])
  await near.engine.presence.remove('a', client('c2', 'bob'))
  t.strictSame(await taken(far.changes, 1), ['bob left a'])
  t.equal(far.changes.all.length, 4)
})

t.test('the sockets of a node that is cut off disappear with its lease, and return with it', async (t) => {
  const proxy = await TcpProxy.start(t, server.port)
  const prefix = `lease-${Math.random()}`
  const options = { prefix, leaseMs: 600, commandTimeoutMs: 500, presenceTtlMs: 1_000 }
  const near = await listening(t, nodesOf(server.port, options))
  const far = await listening(t, nodesOf(proxy.port, options))
  await near.engine.subscribe('channel:a')
  await near.engine.presence.add('a', client('c1', 'alice'))
  await far.engine.presence.add('a', client('c2', 'bob'))
  await far.engine.presence.add('b', client('c3', 'bob'))
  for (const { engine } of [near, far]) await engine.subscribe('all')
  proxy.blackHole()
  t.strictSame(await taken(near.changes, 3), ['alice joined a', 'bob joined a', 'bob left a'])
  await until(async () => (await near.engine.presence.list('b')).length === 0)
  t.strictSame(await near.engine.presence.list('a'), [client('c1', 'alice')])
  await until(() => far.engine.cluster.availability.status === 'unavailable')
  t.equal(near.engine.cluster.availability.status, 'ready', 'the others notice nothing')
  for (const topic of ['channel:nobody', 'all']) t.equal(await far.engine.pass(publication(topic, { n: 1 })), false)
  t.strictSame(far.deliveries.all, [{ ...publication('all', { n: 1 }), position: null }], 'what cannot be had again goes to those who are here')
  await t.rejects(far.engine.presence.remove('b', client('c3', 'bob')), { code: 'WSM_ERR_UNAVAILABLE' })
  proxy.heal()
  t.strictSame(await taken(near.changes, 1), ['bob joined a'])
  await until(() => far.engine.cluster.availability.status === 'ready')
  t.strictSame(await near.engine.presence.list('b'), [], 'what it could not say is made good')
  t.equal(near.deliveries.all.length, 0)
})

t.test('any node can answer a question, and every node is told once', async (t) => {
  const build = nodesOf(server.port)
  const nodes = await Promise.all([1, 2, 3].map(() => listening(t, build)))
  const told = nodes.map(() => [] as ConfirmationRecord[])
  nodes.forEach(({ engine }, n) => engine.confirmations.onSettled((record) => { told[n]!.push(record) }))
  const [asking, answering, watching] = nodes.map(({ engine }) => engine.confirmations)
  const record = question()
  await asking!.create(record)
  t.strictSame([asking!.pendingCount(), answering!.pendingCount()], [1, 0])
  t.strictSame(await watching!.get(record.callback_id), record)
  const result = await answering!.settle(record.callback_id, settlement({ feedback: 'ü' }))
  t.equal(result!.won, true)
  t.strictSame(told[1], [result!.record])
  await until(() => told.every(({ length }) => length === 1))
  t.strictSame(told, [[result!.record], [result!.record], [result!.record]])
  t.equal(asking!.pendingCount(), 0)
  t.strictSame(await watching!.settle(record.callback_id, settlement()), { won: false, record: result!.record })
})

t.test('of simultaneous answers on three nodes exactly one wins, and every node is told once', async (t) => {
  const build = nodesOf(server.port)
  const nodes = await Promise.all([1, 2, 3].map(() => listening(t, build)))
  const told = nodes.map(() => new Map<string, number>())
  nodes.forEach(({ engine }, n) => engine.confirmations.onSettled(({ callback_id: id }) => { told[n]!.set(id, (told[n]!.get(id) ?? 0) + 1) }))
  const records = Array.from({ length: 50 }, () => question())
  for (const record of records) await nodes[0]!.engine.confirmations.create(record)
  await Promise.all(records.map(async ({ callback_id: id }) => {
    const results = await Promise.all(Array.from({ length: 8 }, (_, n) =>
      nodes[n % 3]!.engine.confirmations.settle(id, settlement({ feedback: String(n) }))))
    const winners = results.filter((result) => result!.won)
    if (winners.length !== 1) t.fail(`${winners.length} have won`)
    if (new Set(results.map((result) => result!.record.feedback)).size !== 1) t.fail('they were told of different winners')
  }))
  await until(() => told.every(({ size }) => size === 50))
  t.ok(told.every((counts) => [...counts.values()].every((count) => count === 1)))
})

t.test('an end that a node missed is reported when it is connected again', async (t) => {
  const proxy = await TcpProxy.start(t, server.port)
  const options = { prefix: `missed-${Math.random()}`, commandTimeoutMs: 500 }
  const near = await listening(t, nodesOf(server.port, options))
  const far = await listening(t, nodesOf(proxy.port, options))
  const told: ConfirmationRecord[] = []
  far.engine.confirmations.onSettled((record) => { told.push(record) })
  const [asked, seen] = [question(), question()]
  await far.engine.confirmations.create(asked)
  await near.engine.confirmations.create(seen)
  proxy.blackHole()
  for (const { callback_id: id } of [asked, seen]) await near.engine.confirmations.settle(id, settlement())
  t.equal(told.length, 0)
  proxy.heal()
  await until(() => told.length === 2)
  t.strictSame(told.map(({ callback_id: id }) => id), [asked.callback_id, seen.callback_id])
})

t.test('a subscription in progress when the connection breaks is made on the next one', async (t) => {
  const proxy = await TcpProxy.start(t, server.port)
  const prefix = `under-way-${Math.random()}`
  const near = await listening(t, nodesOf(server.port, { prefix }))
  const far = await listening(t, nodesOf(proxy.port, { prefix }))
  proxy.delay(30)
  const subscribed = far.engine.subscribe('all')
  await until(async () => (await server.admin.pubsub('NUMSUB', `${prefix}:{all}`))[1] === 1)
  proxy.cut()
  await subscribed
  await near.engine.publish(publication('all', { n: 1 }), KEPT)
  t.equal(numberOf(await far.deliveries.next()), 1)
})

t.test('a gap in the stream of ended questions makes a node read its questions, and store lost ones again', async (t) => {
  const proxy = await TcpProxy.start(t, server.port)
  const options = { prefix: `ends-${Math.random()}`, commandTimeoutMs: 500, leaseMs: 600 }
  const near = await listening(t, nodesOf(server.port, options))
  const far = await listening(t, nodesOf(proxy.port, options))
  const told: ConfirmationRecord[] = []
  far.engine.confirmations.onSettled((record) => { told.push(record) })
  const [ended, lost, open] = [question(), question(), question()]
  for (const record of [ended, lost, open]) await far.engine.confirmations.create(record)
  proxy.blackHole()
  await near.engine.confirmations.settle(ended.callback_id, settlement())
  const base = `${options.prefix}:{~questions}`
  await server.admin.del(`${base}:log`, `${base}:record:${lost.callback_id}`)
  t.equal(far.engine.confirmations.pendingCount(), 3)
  proxy.heal()
  await until(() => far.engine.confirmations.pendingCount() === 2)
  t.strictSame(told.map(({ callback_id: id }) => id), [ended.callback_id])
  await until(async () => (await near.engine.confirmations.get(lost.callback_id))?.status === 'pending')
  await near.engine.confirmations.settle(open.callback_id, settlement())
  await until(() => told.length === 2)
})

t.test('a failed lookup of missed ends is retried', async (t) => {
  const proxy = await TcpProxy.start(t, server.port)
  const options = { prefix: `again-${Math.random()}`, commandTimeoutMs: 500, leaseMs: 600 }
  const { log, messages } = keepingLog()
  const near = await listening(t, nodesOf(server.port, options))
  const far = await listening(t, nodesOf(proxy.port, options, log))
  const told: string[] = []
  far.engine.confirmations.onSettled(({ callback_id: id }) => { told.push(id) })
  const { callback_id: id, ...rest } = question()
  await far.engine.confirmations.create({ callback_id: id, ...rest })
  proxy.blackHole()
  await near.engine.confirmations.settle(id, settlement())
  const base = `${options.prefix}:{~questions}`
  await server.admin.del(`${base}:log`)
  await server.admin.rename(`${base}:record:${id}`, `${base}:aside`)
  await server.admin.set(`${base}:record:${id}`, 'no hash')
  proxy.heal()
  await until(() => messages.includes('could not re-read ended questions yet; will retry'))
  t.strictSame([told, far.engine.confirmations.pendingCount()], [[], 1])
  await server.admin.rename(`${base}:aside`, `${base}:record:${id}`)
  await until(() => told.length > 0)
  t.strictSame([told, far.engine.confirmations.pendingCount()], [[id], 0])
})

t.test('a question that Redis no longer has is not open any more', async (t) => {
  const { engine: { confirmations: store } } = await listening(t, nodesOf(server.port), { retainMs: 1 })
  const past = Date.now() - 1_000
  await store.create(question({ created_at: past, expires_at: past }))
  t.equal(store.pendingCount(), 1)
  await store.create(question())
  t.equal(store.pendingCount(), 1)
  await store.create(question())
  t.equal(store.pendingCount(), 2)
})

t.test('a closing node accepts no subscription, and reports no end that is still in flight', async (t) => {
  const { engine } = await listening(t, nodesOf(server.port))
  const told: ConfirmationRecord[] = []
  engine.confirmations.onSettled((record) => { told.push(record) })
  const record = question()
  await engine.confirmations.create(record)
  const settled = engine.confirmations.settle(record.callback_id, settlement())
  const closed = engine.close()
  await t.rejects(engine.subscribe('all'), { code: 'WSM_ERR_UNAVAILABLE' })
  t.match(await settled, { won: true })
  await closed
  // Nor is anything noted of it: a timer would keep this process from ending.
  t.strictSame(told, [])
})

t.test('a failing listener does not stop later messages', async (t) => {
  const { engine } = await listening(t, nodesOf(server.port))
  const received: number[] = []
  engine.onDelivery((delivery) => {
    received.push(numberOf(delivery))
    throw new Error('broken')
  })
  await engine.subscribe('all')
  for (const n of [1, 2, 3]) await engine.publish(publication('all', { n }), KEPT)
  await until(() => received.length === 3)
  t.strictSame(received, [1, 2, 3])
})

t.test('a call whose reply was lost is not executed twice', async (t) => {
  const proxy = await TcpProxy.start(t, server.port)
  const prefix = `retry-${Math.random()}`
  const near = await listening(t, nodesOf(server.port, { prefix }))
  const far = await listening(t, nodesOf(proxy.port, { prefix }))
  for (const topic of ['all', 'channel:a']) await near.engine.subscribe(topic)
  const record = question()
  await near.engine.confirmations.create(record)
  const told: string[] = []
  near.engine.confirmations.onSettled(({ callback_id: id }) => { told.push(id) })
  // Answers take long enough to be cut off when the node beside it has seen what they are about.
  proxy.delay(50)
  const published = far.engine.publish(publication('all', { n: 1 }), KEPT)
  const { position } = await near.deliveries.next()
  proxy.cut()
  t.strictSame(await published, position)
  const passed = far.engine.pass(publication('all', { n: 1 }))
  await near.deliveries.next()
  proxy.cut()
  t.equal(await passed, false, 'where this node has lost its connection, so may the others have theirs')
  const added = far.engine.presence.add('a', client('c1', 'alice'))
  t.strictSame(await taken(near.changes, 1), ['alice joined a'])
  proxy.cut()
  await added
  const settled = far.engine.confirmations.settle(record.callback_id, settlement())
  await until(() => told.length > 0)
  proxy.cut()
  t.equal((await settled)!.won, true, 'who has won has won')
  t.match(await near.engine.publish(publication('all', { n: 2 }), KEPT), { offset: 2 })
  while (numberOf(await near.deliveries.next()) !== 2);
  t.strictSame([near.deliveries.all.length, near.changes.all.length, told.length], [3, 1, 1])
})

t.test('after Redis lost the leases, missing nodes are unknown until all have had time to return', async (t) => {
  const own = await RedisServer.start(t)
  const build = nodesOf(own.port, { prefix: 'lost', leaseMs: 900 })
  const [a, b] = [await listening(t, build), await listening(t, build)]
  const { cluster } = a.engine
  let asked = 0
  b.engine.cluster.onAsk('count', () => ++asked)
  t.match(await cluster.ask('count', null, 5_000), { answers: [{ data: 1 }], missing: [] })
  await own.admin.del('lost:{nodes}:leases')
  t.strictSame(await cluster.ask('count', null, 5_000), { answers: [], missing: null })
  await until(() => asked === 2)
  await until(async () => await own.admin.zcard('lost:{nodes}:leases') === 2)
  t.match(await cluster.ask('count', null, 5_000), { answers: [{ data: 3 }], missing: null })
  await until(async () => (await cluster.ask('count', null, 5_000)).missing !== null)
  t.match(await cluster.ask('count', null, 5_000), { answers: { length: 1 }, missing: [] })
})

t.test('nodes ask each other, and know which ones did not answer', async (t) => {
  const proxy = await TcpProxy.start(t, server.port)
  const options = { prefix: `ask-${Math.random()}` }
  const [a, b] = [await listening(t, nodesOf(server.port, options)), await listening(t, nodesOf(server.port, options))]
  const c = await listening(t, nodesOf(proxy.port, options))
  const [{ cluster }, idOfB, idOfC] = [a.engine, b.engine.cluster.nodeId, c.engine.cluster.nodeId]
  cluster.onAsk('sum', () => t.fail('a node does not ask itself'))
  b.engine.cluster.onAsk('sum', (data) => (data as number[])[0]! + (data as number[])[1]!)
  c.engine.cluster.onAsk('sum', async () => { await setTimeout(1) })
  const { answers, missing } = await cluster.ask('sum', [1, 2], 5_000)
  t.strictSame(new Map(answers.map(({ node_id, data }) => [node_id, data])), new Map<string, unknown>([[idOfB, 3], [idOfC, null]]))
  t.strictSame(missing, [])
  t.match(await cluster.ask('unknown', null, 5_000), { answers: [], missing: { length: 2 } })
  c.engine.cluster.onAsk('sum', () => { throw new Error('broken') })
  t.strictSame(await cluster.ask('sum', [1, 2], 5_000), { answers: [{ node_id: idOfB, data: 3 }], missing: [idOfC] })
  proxy.blackHole()
  const askedAt = performance.now()
  t.strictSame(await cluster.ask('sum', [1, 2], 500), { answers: [{ node_id: idOfB, data: 3 }], missing: [idOfC] })
  t.ok(performance.now() - askedAt < 1_800)
  t.strictSame(await c.engine.cluster.ask('sum', [1, 2], 200), { answers: [], missing: null })
})

t.test('a node that closes before it could answer counts as missing', async (t) => {
  const options = { prefix: `late-${Math.random()}` }
  const { log, messages } = keepingLog()
  const asking = await listening(t, nodesOf(server.port, options))
  const { engine } = await listening(t, nodesOf(server.port, options, log))
  const gate = new Gate()
  engine.cluster.onAsk('any', () => gate.wait())
  const answers = asking.engine.cluster.ask('any', null, 1_000)
  await gate.reached
  await engine.close()
  gate.open()
  await until(() => messages.includes('a response to another node could not be sent'))
  t.strictSame(await answers, { answers: [], missing: [engine.cluster.nodeId] })
})

t.test('messages that no node can have sent are dropped', async (t) => {
  const prefix = `garbage-${Math.random()}`
  const { log, messages } = keepingLog()
  const { engine, deliveries, changes } = await listening(t, nodesOf(server.port, { prefix }, log))
  await engine.subscribe('channel:a')
  const garbage = [
    '', '\n', 'hello', '{}', '[]', 'null', '[1,2]\n{}', '["e",1,0,null]\n', '["e",1,0,null]\n[]', '["e",1,0,null]\n{"a"', '["e",-1,0,null]\n{"a":1}',
    '["e",1,9,null]\n{"a":1}', '["e",1,0,[1]]\n{"a":1}', '{"number":1,"channel":"a","kind":"came","user_id":"x"}', '{"number":1,"channel":"a","kind":"left"}'
  ]
  for (const payload of garbage) await server.admin.publish(`${prefix}:{channel:a}`, payload)
  for (const channel of ['cluster', `cluster:${engine.cluster.nodeId}`]) {
    for (const payload of ['', '{}', '{"id":1}']) await server.admin.publish(`${prefix}:${channel}`, payload)
  }
  await engine.publish(publication('channel:a', { n: 1 }), KEPT)
  t.equal(numberOf(await deliveries.next()), 1)
  t.strictSame([deliveries.all.length, changes.all.length], [1, 0])
  t.strictSame(messages, Array.from({ length: garbage.length + 6 }, () => 'ignored a malformed message between nodes'))
})

t.test('every key expires at its time', async (t) => {
  const prefix = `life-${Math.random()}`
  const { engine } = await listening(t, nodesOf(server.port, { prefix }))
  await engine.subscribe('all')
  await engine.publish(publication('all'), KEPT)
  await engine.pass(publication('channel:a'))
  await engine.history('channel:b', null, 1)
  await engine.presence.add('a', client('c1', 'alice'))
  const [open, ended] = [question(), question()]
  await engine.confirmations.create(open)
  await engine.confirmations.create(ended)
  await engine.confirmations.settle(ended.callback_id, settlement())
  const keys = await server.admin.keys(`${prefix}:*`)
  t.ok(keys.length > 10)
  for (const key of keys) t.ok(await server.admin.pttl(key) > 0, key)
})

t.test('a Redis that may evict is refused, unless acceptEviction is set', async (t) => {
  const evicting = await RedisServer.start(t, { config: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] })
  await t.rejects(listening(t, nodesOf(evicting.port)), { code: 'WSM_ERR_INVALID_OPTION', message: /allkeys-lru.*acceptEviction/s })
  await t.resolves(listening(t, nodesOf(evicting.port, { acceptEviction: true })))
  await evicting.admin.config('SET', 'maxmemory-policy', 'noeviction')
  await t.resolves(listening(t, nodesOf(evicting.port)))
})
