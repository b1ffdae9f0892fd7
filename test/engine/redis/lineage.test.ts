import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { RedisCluster } from '../../../lib/engine/redis/cluster.js'
import { ENGINE, KEPT, listening, numberOf, publication } from '../../fixtures/engine-suite.js'
import { keepingLog, nodesOf } from '../../fixtures/redis-nodes.js'
import { RedisServer, type RedisServerOptions } from '../../fixtures/redis.js'
import { until } from '../../fixtures/until.js'

/** A server, and nodes on it that wait a short time for each other. */
async function nodes (t: Test, options: RedisServerOptions = {}) {
  const server = await RedisServer.start(t, options)
  const prefix = randomUUID()
  const { log, messages } = keepingLog()
  const build = nodesOf(server.port, { prefix, leaseMs: 900, checkMs: 50, commandTimeoutMs: 600 }, log)
  const again = async () => {
    await server.kill()
    await server.start()
  }
  return { server, build, again, messages, lane: `${prefix}:lane:{all}` }
}

const ALWAYS = { isDurable: true, config: ['--appendfsync', 'always'] }

t.test('after a restart without loss clients recover, whether a node listened or not', async (t) => {
  const { build, again, messages } = await nodes(t, ALWAYS)
  const [{ engine, breaks }, other] = [await listening(t, build), await listening(t, build)]
  const began = await other.engine.publish(publication('channel:a', { n: 1 }), KEPT)
  const unbegun = await engine.subscribe('channel:b')
  engine.unsubscribe('channel:b')
  await engine.publish(publication('channel:a', { n: 2 }), KEPT)
  await again()
  await until(() => engine.cluster.availability.status === 'ready')
  await until(async () => (await engine.history('channel:a', began, 10).catch(() => null)) !== null)
  t.match(await engine.history('channel:a', began, 10), { isComplete: true, top: { epoch: began!.epoch, offset: 2 } })
  t.match(await other.engine.history('channel:b', unbegun, 10), { isComplete: true })
  t.strictSame([...breaks.all, ...other.breaks.all], [])
  t.strictSame(messages.filter((message) => message.startsWith('Redis was')), ['Redis was restarted or failed over; nothing was lost'])
})

t.test('a node that has left is not awaited after a restart', async (t) => {
  const server = await RedisServer.start(t, ALWAYS)
  // Long enough that the lease of the one that left is not seen to end.
  const build = nodesOf(server.port, { leaseMs: 60_000, commandTimeoutMs: 5_000 })
  const { engine } = await listening(t, build)
  const other = await build(ENGINE)
  const began = await other.publish(publication('channel:a', { n: 1 }), KEPT)
  await other.close()
  await server.kill()
  await server.start()
  await until(async () => (await engine.history('channel:a', began, 10).catch(() => null)) !== null)
  t.match(await engine.history('channel:a', began, 10), { isComplete: true })
})

t.test('a node starts even if it must wait for another\'s sightings longer than a call may take', async (t) => {
  const server = await RedisServer.start(t, ALWAYS)
  const build = nodesOf(server.port, { leaseMs: 3_000, commandTimeoutMs: 500 })
  const before = await build(ENGINE)
  await before.publish(publication('channel:a', { n: 1 }), KEPT)
  // It has a lease and never answers.
  await server.admin.zadd((await server.admin.keys('*:leases'))[0]!, Date.now() + 60_000, randomUUID())
  await before.close()
  await server.kill()
  await server.start()
  const { engine } = await listening(t, build)
  t.match(await engine.publish(publication('channel:a', { n: 2 }), KEPT), { offset: 1 })
})

t.test('a node that answers only the second inquiry is awaited, and what it has seen is kept', async (t) => {
  const { onAsk } = RedisCluster.prototype
  t.intercept(RedisCluster.prototype, 'onAsk', {
    value: function (this: RedisCluster, kind: string, listener: (data: unknown) => unknown) {
      let isDeaf = kind === 'lanes'
      onAsk.call(this, kind, async (data) => {
        if (isDeaf && isRestarted) {
          isDeaf = false
          throw new Error('it has no time')
        }
        return listener(data)
      })
    }
  })
  let isRestarted = false
  const server = await RedisServer.start(t, ALWAYS)
  const build = nodesOf(server.port, { leaseMs: 9_000, commandTimeoutMs: 5_000 })
  const [{ engine, breaks }, other] = [await listening(t, build), await listening(t, build)]
  const began = await other.engine.publish(publication('channel:a', { n: 1 }), KEPT)
  await engine.publish(publication('channel:a', { n: 2 }), KEPT)
  isRestarted = true
  await server.kill()
  await server.start()
  await until(async () => (await engine.history('channel:a', began, 10).catch(() => null)) !== null)
  t.match(await engine.history('channel:a', began, 10), { isComplete: true, top: { epoch: began!.epoch, offset: 2 } })
  t.strictSame([...breaks.all, ...other.breaks.all], [])
})

t.test('after a rollback no earlier position is valid, not even one that the server still has', async (t) => {
  const { server, build, again, messages } = await nodes(t)
  const { engine } = await listening(t, build)
  const unbegun = await engine.subscribe('channel:b')
  engine.unsubscribe('channel:b')
  const first = await engine.publish(publication('channel:a', { n: 1 }), KEPT)
  await server.admin.save()
  const last = await engine.publish(publication('channel:a', { n: 2 }), KEPT)
  await again()
  await until(() => engine.cluster.availability.status === 'ready')
  // Past what was given out before.
  for (const n of [3, 4, 5]) await until(() => engine.publish(publication('channel:a', { n }), KEPT).then(() => true, () => false))
  for (const position of [first, last]) t.match(await engine.history('channel:a', position, 10), { isComplete: false, entries: [] })
  t.match(await engine.history('channel:b', unbegun, 10), { isComplete: false })
  t.strictSame((await engine.history('channel:a', null, 10)).entries.map(numberOf), [3, 4, 5])
  t.ok(messages.includes('Redis was restarted or failed over, and may have lost writes; streams begin a new epoch'))
})

t.test('a write that only another node has seen counts as seen', async (t) => {
  const { server, build, again } = await nodes(t)
  const [{ engine }, { engine: other }] = [await listening(t, build), await listening(t, build)]
  const first = await engine.publish(publication('channel:a', { n: 1 }), KEPT)
  // Until then it is to be had again.
  await Promise.all([engine.cluster.ask('nothing', null, 10), other.cluster.ask('nothing', null, 10)])
  await server.admin.save()
  await other.publish(publication('channel:a', { n: 2 }), KEPT)
  await again()
  await until(() => engine.cluster.availability.status === 'ready')
  await until(async () => (await engine.history('channel:a', first, 10).catch(() => null))?.isComplete === false)
})

t.test('a write that was delivered, but not confirmed to its publisher, counts as seen', async (t) => {
  const { server, build, lane } = await nodes(t, { config: ['--enable-debug-command', 'yes'] })
  const { engine, deliveries } = await listening(t, build)
  await engine.subscribe('channel:a')
  const first = await engine.publish(publication('channel:a', { n: 1 }), KEPT)
  await deliveries.next()
  // Without a listener the number that was seen is the only witness.
  const unheard = await engine.publish(publication('channel:b', { n: 1 }), KEPT)
  const { segment, number } = await server.admin.hgetall(lane) as { segment: string, number: string }
  await server.admin.publish(`${lane.split(':')[0]}:{channel:a}`, `2 ${segment} ${Number(number) + 1} ["${first!.epoch}",2,0,null]\n{"type":"n","n":2}`)
  t.match(await deliveries.next(), { position: { offset: 2 } })
  await server.admin.debug('CHANGE-REPL-ID')
  await until(async () => (await engine.history('channel:a', first, 10).catch(() => null))?.isComplete === false)
  t.match(await engine.history('channel:b', unheard, 10), { isComplete: false })
})

t.test('no earlier position is valid if no node is left that had seen a write', async (t) => {
  const { build, again } = await nodes(t, ALWAYS)
  const before = await build(ENGINE)
  const first = await before.publish(publication('channel:a', { n: 1 }), KEPT)
  await before.close()
  await again()
  const { engine } = await listening(t, build)
  t.match(await engine.history('channel:a', first, 10), { isComplete: false })
})

t.test('a node that died just before may have seen more; sightings of earlier dead nodes are covered', async (t) => {
  const { server, build, again } = await nodes(t, ALWAYS)
  const { engine } = await listening(t, build)
  const first = await engine.publish(publication('channel:a', { n: 1 }), KEPT)
  const leases = (await server.admin.keys('*:leases'))[0]!
  const dies = async () => server.admin.zadd(leases, Date.now() + 700, randomUUID())
  await dies()
  // It is known, its lease ends, and what is seen after that was done after its end.
  const seen = async () => Number(await server.admin.zcard(leases)) === 1
  await until(seen)
  const renewals = async () => Number(await server.admin.zscore(leases, engine.cluster.nodeId))
  for (let at = await renewals(), n = 0; n < 4; n++) {
    await until(async () => await renewals() > at)
    at = await renewals()
  }
  await engine.publish(publication('channel:a', { n: 2 }), KEPT)
  await again()
  await until(() => engine.cluster.availability.status === 'ready')
  await until(async () => (await engine.history('channel:a', first, 10).catch(() => null))?.isComplete === true)
  await dies()
  await until(async () => {
    const at = await renewals()
    await until(async () => await renewals() > at)
    return true
  })
  await again()
  await until(async () => (await engine.history('channel:a', first, 10).catch(() => null))?.isComplete === false)
})

t.test('a socket that has left does not reappear in presence when Redis goes back', async (t) => {
  const { server, build, again } = await nodes(t)
  const [{ engine }, { engine: other }] = [await listening(t, build), await listening(t, build)]
  const client = (id: string) => ({ client_id: id, user_id: id })
  for (const id of ['stays', 'leaves']) await engine.presence.add('a', client(id))
  await engine.presence.add('b', client('leaves'))
  await server.admin.save()
  await engine.presence.remove('a', client('leaves'))
  await engine.presence.remove('b', client('leaves'))
  await engine.presence.add('c', client('comes'))
  await engine.publish(publication('all'), KEPT)
  await again()
  await until(async () => await other.history('all', null, 1).then(() => true, () => false))
  const present = async (channel: string) => (await other.presence.list(channel)).map(({ client_id: id }) => id)
  await until(async () => (await present('c')).length === 1 && (await present('b')).length === 0 && (await present('a')).length === 1)
  t.strictSame(await present('a'), ['stays'])
})
