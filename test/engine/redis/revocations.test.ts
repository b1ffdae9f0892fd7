import t, { type Test } from 'tap'
import { RedisRevocationStore } from '../../../lib/engine/redis/revocations.js'
import { ENGINE, KEPT, listening, publication } from '../../fixtures/engine-suite.js'
import { Gate } from '../../fixtures/gate.js'
import { keepingLog, nodesOf, silent } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { token } from '../../fixtures/revocation-suite.js'
import { TcpProxy } from '../../fixtures/tcp-proxy.js'
import { until } from '../../fixtures/until.js'

const server = await RedisServer.start(t)
const later = () => Date.now() + 3_600_000

/** What was read of without being told. */
function news (store: { onLearned: (listener: () => void) => void }): { count: number } {
  const heard = { count: 0 }
  store.onLearned(() => { heard.count++ })
  return heard
}

t.test('a starting node knows everything stored before, however much it is', async (t) => {
  const build = nodesOf(server.port)
  const [a, b] = [await listening(t, build, { maxRevocations: 5_000 }), await listening(t, build)]
  await Promise.all(Array.from({ length: 2_000 }, (_, n) => a.engine.revocations.add({ jti: `a-${n}`, expiresAt: later() })))
  await a.engine.revocations.add({ userId: 'alice', issuedBefore: 5, expiresAt: later() })
  const { engine: { revocations } } = await listening(t, build)
  const known = Array.from({ length: 2_000 }, (_, n) => revocations.isRevoked(token({ jti: `a-${n}` })))
  t.ok(known.every((isRevoked) => isRevoked === true))
  t.equal(revocations.isRevoked(token({ jti: null, issuedAt: 4 })), true)
  t.equal(revocations.isRevoked(token({ jti: null, issuedAt: 5 })), false)
  t.equal(b.engine.revocations.isRevoked(token()), false, 'one that was there is told by whoever stored it')
})

t.test('a node reads revocations of which it was not notified when it renews its lease', async (t) => {
  const build = nodesOf(server.port, { leaseMs: 300 })
  const [a, b] = [await listening(t, build), await listening(t, build)]
  const { revocations } = b.engine
  const heard = news(revocations)
  await a.engine.revocations.add({ jti: 'a-1', expiresAt: later() })
  await until(() => revocations.isRevoked(token()) === true)
  t.equal(heard.count, 1)
  await a.engine.revocations.add({ jti: 'a-2', expiresAt: later() })
  revocations.learn({ jti: 'a-2', expiresAt: later() })
  await a.engine.revocations.add({ jti: 'a-3', expiresAt: later() })
  await until(() => revocations.isRevoked(token({ jti: 'a-3' })) === true)
  t.equal(heard.count, 2, 'what it knew is no news')
})

t.test('a node whose connections are cut does not know, until it has read on', async (t) => {
  const proxy = await TcpProxy.start(t, server.port)
  const prefix = `cut-${Math.random()}`
  const near = await listening(t, nodesOf(server.port, { prefix }))
  const far = await listening(t, nodesOf(proxy.port, { prefix, commandTimeoutMs: 300, leaseMs: 1_000 }))
  const { revocations } = far.engine
  const heard = news(revocations)
  t.equal(revocations.isRevoked(token()), false)
  proxy.blackHole()
  await until(() => revocations.isRevoked(token()) === null)
  await near.engine.revocations.add({ jti: 'a-1', expiresAt: later() })
  t.equal(revocations.isRevoked(token()), null)
  await t.rejects(revocations.current(), { code: 'WSM_ERR_UNAVAILABLE' })
  await t.rejects(revocations.add({ jti: 'a-2', expiresAt: later() }), { code: 'WSM_ERR_UNAVAILABLE' })
  t.equal(revocations.isRevoked(token({ jti: 'a-2' })), null)
  proxy.heal()
  await until(() => revocations.isRevoked(token()) === true)
  t.equal(heard.count, 1)
  await revocations.current()
  t.equal(revocations.isRevoked(token({ jti: 'a-3' })), false)
})

/** From now on no node reads on by itself, until the gate opens. */
function holdUpReading (t: Test, gate: Gate): void {
  const { refresh } = RedisRevocationStore.prototype
  t.intercept(RedisRevocationStore.prototype, 'refresh', {
    value: async function (this: RedisRevocationStore) {
      await gate.wait()
      await refresh.call(this)
    }
  })
}

const IN_TIME = { withinMs: 10_000 }

t.test('a node whose connections were cut and are back does not know before it has read on', async (t) => {
  const proxy = await TcpProxy.start(t, server.port)
  const prefix = `back-${Math.random()}`
  const near = await listening(t, nodesOf(server.port, { prefix }))
  const far = await listening(t, nodesOf(proxy.port, { prefix }))
  const { revocations, cluster } = far.engine
  near.engine.cluster.onAsk('greeting', () => 'hello')
  t.equal(revocations.isRevoked(token()), false)
  const gate = new Gate()
  holdUpReading(t, gate)
  proxy.cut()
  await gate.reached
  await near.engine.revocations.add({ jti: 'a-1', expiresAt: later() })
  // Both connections are back when an answer of another node arrives.
  await until(async () => (await cluster.ask('greeting', null, 1_000)).answers.length === 1, IN_TIME)
  t.equal(revocations.isRevoked(token()), null)
  gate.open()
  await until(() => revocations.isRevoked(token()) === true, IN_TIME)
})

t.test('a node that the others had forgotten does not know before it has read on', async (t) => {
  const own = await RedisServer.start(t)
  const { engine } = await listening(t, nodesOf(own.port, { leaseMs: 300, prefix: 'forgotten' }))
  t.equal(engine.revocations.isRevoked(token()), false)
  const gate = new Gate()
  holdUpReading(t, gate)
  await own.admin.zrem('forgotten:{nodes}:leases', engine.cluster.nodeId)
  await until(() => engine.revocations.isRevoked(token()) === null, IN_TIME)
  gate.open()
  await until(() => engine.revocations.isRevoked(token()) === false, IN_TIME)
})

t.test('a node that finds that Redis went back does not know before it has read on', async (t) => {
  const own = await RedisServer.start(t)
  const { engine } = await listening(t, nodesOf(own.port, { prefix: 'rolled' }))
  for (const n of [1, 2]) await engine.publish(publication('all', { n }), KEPT)
  const gate = new Gate()
  holdUpReading(t, gate)
  await own.admin.hset('rolled:lane:{all}', 'number', 0)
  await engine.publish(publication('all'), KEPT)
  t.equal(engine.revocations.isRevoked(token()), null)
  gate.open()
  await until(() => engine.revocations.isRevoked(token()) === false, IN_TIME)
})

t.test('of several revocations of a user the latest time and the latest expiry are stored', async (t) => {
  const own = await RedisServer.start(t)
  const build = nodesOf(own.port, { prefix: 'twice' })
  const { engine: { revocations } } = await listening(t, build)
  const [soon, late] = [later(), later() + 60_000]
  await revocations.add({ userId: 'alice', issuedBefore: 5, expiresAt: late })
  await revocations.add({ userId: 'alice', issuedBefore: 8, expiresAt: soon })
  await revocations.add({ userId: 'alice', issuedBefore: 6, expiresAt: soon })
  await revocations.add({ jti: 'a-1', expiresAt: late })
  await revocations.add({ jti: 'a-1', expiresAt: soon })
  const { engine } = await listening(t, build)
  t.equal(engine.revocations.isRevoked(token({ jti: null, issuedAt: 7 })), true)
  t.equal(engine.revocations.isRevoked(token({ jti: null, issuedAt: 8 })), false)
  const expiry = async (name: string) => Number(await own.admin.zscore('twice:{~revocations}:expiries', name))
  t.strictSame([await expiry('user:alice'), await expiry('jti:a-1')], [late, late])
})

t.test('a node without a lease does not know, since it is not notified', async (t) => {
  const { engine } = await listening(t, nodesOf(server.port, { leaseMs: 900 }))
  t.equal(engine.revocations.isRevoked(token()), false)
  // As a process that was stopped finds it: its lease was over before it could be renewed.
  const late = performance.now() + 1_000
  while (performance.now() < late) { /* nothing else runs */ }
  t.equal(engine.revocations.isRevoked(token()), null)
  await engine.revocations.current()
  t.equal(engine.revocations.isRevoked(token()), false)
})

t.test('a failed lease renewal leaves a node without knowledge of revocations', async (t) => {
  const own = await RedisServer.start(t)
  const { log, messages } = keepingLog()
  const { engine } = await listening(t, nodesOf(own.port, { leaseMs: 300, prefix: 'lease' }, log))
  await own.admin.del('lease:{nodes}:leases')
  await own.admin.set('lease:{nodes}:leases', 'no list')
  await until(() => engine.revocations.isRevoked(token()) === null)
  await t.rejects(engine.revocations.current(), { code: 'WSM_ERR_UNAVAILABLE', message: /lease/ })
  await own.admin.del('lease:{nodes}:leases')
  await until(() => engine.revocations.isRevoked(token()) === false)
  t.ok(messages.includes('could not renew the lease of this node'))
})

t.test('the nodes write back revocations that Redis has lost', async (t) => {
  const own = await RedisServer.start(t)
  const build = nodesOf(own.port, { leaseMs: 300 })
  const a = await listening(t, build)
  for (let n = 0; n < 250; n++) await a.engine.revocations.add({ jti: `a-${n}`, expiresAt: later() })
  await a.engine.revocations.add({ userId: 'alice', issuedBefore: 7, expiresAt: later() })
  const isKnown = async () => {
    const engine = await build(ENGINE)
    const known = [engine.revocations.isRevoked(token({ jti: 'a-249' })), engine.revocations.isRevoked(token({ issuedAt: 6 }))]
    await engine.close()
    return known.every((isRevoked) => isRevoked === true)
  }
  t.equal(await isKnown(), true)
  await own.admin.flushall()
  await until(isKnown)
  await own.kill()
  await own.start()
  await until(isKnown)
})

t.test('revocations survive all nodes and a lost Redis, tickets do not', async (t) => {
  const own = await RedisServer.start(t, { isDurable: true, config: ['--appendfsync', 'always'] })
  const build = nodesOf(own.port)
  const before = await build(ENGINE)
  await before.revocations.add({ jti: 'a-1', expiresAt: later() })
  await before.tickets.put('one', { id: 'alice', claims: {}, expiresAt: null, issuedAt: null, jti: 'a-1' }, Date.now() + 60_000)
  await before.close()
  await own.kill()
  await own.start()
  const { engine } = await listening(t, build)
  t.equal(engine.revocations.isRevoked(token()), true)
  t.equal(await engine.tickets.take('one'), null)
})

t.test('no revocation or ticket is kept longer than needed', async (t) => {
  const own = await RedisServer.start(t)
  const { engine } = await listening(t, nodesOf(own.port, { prefix: 'brief' }))
  const keys = async () => [...await own.admin.keys('brief:{~revocations}*'), ...await own.admin.keys('brief:{~tickets}*')]
  await engine.revocations.add({ jti: 'a-1', expiresAt: Date.now() + 200 })
  await engine.revocations.add({ userId: 'alice', issuedBefore: 7, expiresAt: Date.now() + 100 })
  await engine.revocations.add({ jti: 'a-2', expiresAt: Date.now() - 1 })
  await engine.tickets.put('one', { id: 'alice', claims: {}, expiresAt: null, issuedAt: null, jti: null }, Date.now() + 100)
  t.ok((await keys()).length > 4)
  await until(async () => (await keys()).length === 0)
})

t.test('a ticket script that runs late, or twice, changes nothing', async (t) => {
  const build = nodesOf(server.port)
  const [a, b] = [await listening(t, build), await listening(t, build)]
  const user = { id: 'alice', claims: {}, expiresAt: null, issuedAt: null, jti: null }
  const soon = Date.now() + 60_000
  t.equal(await a.engine.tickets.put('one', user, soon), 'kept')
  t.strictSame(await b.engine.tickets.take('one'), user, 'on another node')
  t.equal(await a.engine.tickets.put('one', user, soon), 'kept', 'the same call, sent again')
  t.equal(await a.engine.tickets.take('one'), null, 'does not make it good again')
})

t.test('tickets are limited, and a malformed one is noticed', async (t) => {
  const own = await RedisServer.start(t)
  const { log, messages } = keepingLog()
  const { engine: { tickets } } = await listening(t, nodesOf(own.port, { prefix: 'x' }, log))
  const user = { id: 'alice', claims: {}, expiresAt: null, issuedAt: null, jti: null }
  await own.admin.eval('for i = 1, 100000 do redis.call("ZADD", KEYS[1], ARGV[1], i) end', 1, 'x:{~tickets}:all', Date.now() + 60_000)
  t.equal(await tickets.put('one', user, Date.now() + 60_000), 'full')
  await own.admin.del('x:{~tickets}:all')
  t.equal(await tickets.put('one', user, Date.now() + 60_000), 'kept')
  await own.admin.hset('x:{~tickets}:ticket:one', 'user', '{"id":7}')
  t.equal(await tickets.take('one'), null)
  t.ok(messages.includes('ignored a malformed ticket in Redis'))
})

t.test('an engine whose revocations cannot be read does not start', async (t) => {
  const own = await RedisServer.start(t)
  await own.admin.set('x:{~revocations}:state', 'no state')
  await t.rejects(async () => nodesOf(own.port, { prefix: 'x' }, silent)(ENGINE), { code: 'WSM_ERR_UNAVAILABLE' })
})
