import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { CALL_RETENTION_MS, type Engine } from '../../../lib/engine/engine.js'
import { RedisCallStore } from '../../../lib/engine/redis/calls.js'
import type { Commands } from '../../../lib/engine/redis/commands.js'
import { Keys } from '../../../lib/engine/redis/keys.js'
import { UnavailableError } from '../../../lib/errors.js'
import { ENGINE, KEPT, publication } from '../../fixtures/engine-suite.js'
import { Gate } from '../../fixtures/gate.js'
import { RedisServer } from '../../fixtures/redis.js'
import { nodesOf, silent } from '../../fixtures/redis-nodes.js'
import { timersOf } from '../../fixtures/timers.js'
import { until } from '../../fixtures/until.js'

const LEASE_MS = 300

/** Two nodes on a server. */
async function nodes (t: Test, server: RedisServer, leaseMs = LEASE_MS): Promise<[Engine, Engine]> {
  const build = nodesOf(server.port, { leaseMs, commandTimeoutMs: 200 })
  const [a, b] = [await build(ENGINE), await build(ENGINE)]
  t.teardown(() => Promise.all([a.close(), b.close()]))
  return [a, b]
}

const stateOf = async ({ calls }: Engine, key: string) => (await calls.begin(key, 'print', 'another')).state

t.test('a call stays running beyond its lease on every node, is lost when its node has gone, and is not new again', async (t) => {
  // A busy machine delays renewals.
  const leaseMs = 1_000
  const [a, b] = await nodes(t, await RedisServer.start(t), leaseMs)
  t.strictSame(await a.calls.begin('k', 'print', 'first'), { state: 'new' })
  const from = performance.now()
  while (performance.now() - from < 2 * leaseMs) {
    t.equal(await stateOf(b, 'k'), 'running')
    await sleep(leaseMs / 10)
  }
  await a.close()
  await until(async () => await stateOf(b, 'k') !== 'running')
  for (let n = 0; n < 2; n++) t.equal(await stateOf(b, 'k'), 'lost')
})

t.test('a call that ends after it was taken for lost has its outcome', async (t) => {
  const server = await RedisServer.start(t)
  const [a, b] = await nodes(t, server)
  await a.calls.begin('k', 'print', 'first')
  const [key] = await server.admin.keys('*:call:*')
  await server.admin.hset(key!, 'until', 1)
  t.equal(await stateOf(b, 'k'), 'lost')
  await a.calls.finish('k', 'first', '1')
  t.strictSame(await b.calls.begin('k', 'print', 'another'), { state: 'ended', outcome: '1' })
})

t.test('a call is kept for ten minutes after it began, was renewed, or ended; a forgotten one for its lease', async (t) => {
  const server = await RedisServer.start(t)
  const [a] = await nodes(t, server)
  const leftOf = async () => server.admin.pttl((await server.admin.keys('*:call:*'))[0]!)
  const isWhole = (left: number) => left > CALL_RETENTION_MS - 5_000 && left <= CALL_RETENTION_MS
  await a.calls.begin('k', 'print', 'first')
  t.ok(isWhole(await leftOf()))
  const [key] = await server.admin.keys('*:call:*')
  await server.admin.pexpire(key!, 10_000)
  await until(async () => isWhole(await leftOf()))
  await server.admin.pexpire(key!, 10_000)
  await a.calls.finish('k', 'first', '1')
  t.ok(isWhole(await leftOf()))
  await server.admin.del(key!)
  await a.calls.begin('l', 'print', 'second')
  await a.calls.finish('l', 'second', null)
  t.ok(await leftOf() <= LEASE_MS)
  await until(async () => (await server.admin.keys('*:call:*')).length === 0)
})

t.test('a begin that runs after its call was forgotten does not begin it', async (t) => {
  const [a, b] = await nodes(t, await RedisServer.start(t))
  await a.calls.begin('k', 'print', 'first')
  await a.calls.finish('k', 'first', null)
  t.strictSame(await a.calls.begin('k', 'print', 'first'), { state: 'lost' })
  t.strictSame(await b.calls.begin('k', 'other', 'third'), { state: 'new' })
  t.strictSame(await b.calls.begin('k', 'other', 'third'), { state: 'new' }, 'the same attempt, run twice')
})

t.test('a call that could not begin in time is forgotten once Redis answers, even if it has begun', async (t) => {
  const server = await RedisServer.start(t)
  const [a, b] = await nodes(t, server)
  await b.calls.begin('other', 'print', 'x')
  server.pause()
  await t.rejects(async () => a.calls.begin('k', 'print', 'first'), { code: 'WSM_ERR_UNAVAILABLE' })
  server.resume()
  await until(async () => {
    try {
      return await stateOf(b, 'k') === 'new'
    } catch {
      return false
    }
  })
})

t.test('an outcome that cannot be stored in time is stored once Redis answers', async (t) => {
  const server = await RedisServer.start(t)
  const [a, b] = await nodes(t, server)
  await a.calls.begin('k', 'print', 'first')
  server.pause()
  await a.calls.finish('k', 'first', '1')
  server.resume()
  await until(async () => {
    try {
      const known = await b.calls.begin('k', 'print', 'another')
      return known.state === 'ended' && known.outcome === '1'
    } catch {
      return false
    }
  })
})

t.test('an end that cannot be stored is given up when it would have expired; the timer ends with the last call and with the store', async (t) => {
  const timers = timersOf(t)
  let isDown = true
  const commands = {
    run: async () => {
      if (isDown) throw new UnavailableError('down')
      return ['new']
    }
  } as unknown as Commands
  const store = new RedisCallStore(commands, new Keys('test', 0, false), { leaseMs: 30, retentionMs: 50 }, silent)
  await t.rejects(store.begin('l', 'print', 'second'))
  t.equal(timers(), 1)
  isDown = false
  await store.begin('k', 'print', 'first')
  isDown = true
  await store.finish('k', 'first', '1')
  t.equal(timers(), 2, 'and the expiry of what was not stored')
  await until(() => timers() === 0)
  isDown = false
  await store.begin('k', 'print', 'third')
  t.equal(timers(), 1)
  await store.finish('k', 'third', null)
  t.equal(timers(), 0)
  await store.begin('m', 'print', 'fourth')
  isDown = true
  await sleep(100)
  t.equal(timers(), 1, 'a running call is not given up')
  store.close()
  t.equal(timers(), 0)
  await store.finish('m', 'fourth', '1')
  t.equal(timers(), 0)
})

t.test('a call that begins while the store closes leaves no timer', async (t) => {
  const timers = timersOf(t)
  const gate = new Gate()
  const commands = { run: () => gate.wait().then(() => ['new']) } as unknown as Commands
  const store = new RedisCallStore(commands, new Keys('test', 0, false), { leaseMs: 30 }, silent)
  const begun = store.begin('k', 'print', 'first')
  store.close()
  gate.open()
  await begun
  t.equal(timers(), 0)
})

/** What Redis has of the calls of a prefix, by key. */
async function stored (server: RedisServer): Promise<Map<string, Record<string, string>>> {
  const keys = (await server.admin.keys('*:call:*')).sort()
  return new Map(await Promise.all(keys.map(async (key): Promise<[string, Record<string, string>]> => [key, await server.admin.hgetall(key)])))
}

t.test('after Redis has lost everything its nodes restore their calls, running and ended', async (t) => {
  const server = await RedisServer.start(t)
  const [a, b] = await nodes(t, server)
  await a.calls.begin('ended', 'print', 'first')
  await a.calls.finish('ended', 'first', '1')
  await a.calls.begin('running', 'print', 'second')
  await a.calls.begin('refused', 'print', 'third')
  await a.calls.finish('refused', 'third', null)
  await a.publish(publication('all'), KEPT)
  await server.admin.flushall()
  await a.publish(publication('all'), KEPT)
  await until(async () => (await stored(server)).size === 2)
  t.strictSame(await b.calls.begin('ended', 'print', 'another'), { state: 'ended', outcome: '1' })
  t.strictSame(await b.calls.begin('running', 'print', 'another'), { state: 'running' })
  t.strictSame(await b.calls.begin('refused', 'print', 'another'), { state: 'new' })
})

t.test('a restored call replaces what is older of itself, and nothing of another attempt', async (t) => {
  const server = await RedisServer.start(t)
  const [a] = await nodes(t, server)
  const store = a.calls as RedisCallStore
  const keyOf = async () => [...(await stored(server)).keys()][0]!
  await store.begin('k', 'print', 'first')
  await store.finish('k', 'first', '1')
  const key = await keyOf()
  await server.admin.hdel(key, 'outcome')
  await store.restore()
  t.match(await server.admin.hgetall(key), { runner: 'first', outcome: '1' })
  await server.admin.hset(key, { runner: 'another', outcome: '2' })
  await store.restore()
  t.match(await server.admin.hgetall(key), { runner: 'another', outcome: '2' })
})

t.test('an outcome is stored even if Redis has lost the beginning of the call', async (t) => {
  const server = await RedisServer.start(t)
  const [a, b] = await nodes(t, server)
  await a.calls.begin('k', 'print', 'first')
  await server.admin.del([...(await stored(server)).keys()])
  await a.calls.finish('k', 'first', '1')
  t.strictSame(await b.calls.begin('k', 'print', 'another'), { state: 'ended', outcome: '1' })
})

t.test('many calls are restored, and a restoration that fails rejects', async (t) => {
  const server = await RedisServer.start(t)
  const [a] = await nodes(t, server)
  const store = a.calls as RedisCallStore
  const names = Array.from({ length: 250 }, (_, n) => `k${n}`)
  await Promise.all(names.map((name) => store.begin(name, 'print', name)))
  await Promise.all(names.map((name) => store.finish(name, name, '1')))
  await server.admin.flushall()
  await store.restore()
  t.equal((await stored(server)).size, names.length)
  server.pause()
  await t.rejects(store.restore(), { code: 'WSM_ERR_UNAVAILABLE' })
  server.resume()
})
