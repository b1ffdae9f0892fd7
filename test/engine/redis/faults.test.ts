import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Delivery } from '../../../lib/engine/engine.js'
import { ENGINE, client, KEPT, listening, numberOf, publication, question, settlement } from '../../fixtures/engine-suite.js'
import { Received } from '../../fixtures/received.js'
import { nodesOf } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { TcpProxy } from '../../fixtures/tcp-proxy.js'
import { until } from '../../fixtures/until.js'

/** Two nodes; one publishes on three topics without a pause, both are subscribed. */
async function load (t: Test, server: RedisServer, retention: typeof KEPT | null = KEPT) {
  const build = nodesOf(server.port)
  const nodes = [await listening(t, build), await listening(t, build)]
  const topics = ['all', 'user:alice', 'channel:a']
  for (const { engine } of nodes) for (const topic of topics) await engine.subscribe(topic)
  const stop = new AbortController()
  const sent = new Map<string, Set<number>>(topics.map((topic) => [topic, new Set()]))
  const acknowledged = new Map<string, number[]>(topics.map((topic) => [topic, []]))
  const failures: Error[] = []
  const running = (async () => {
    const published: Promise<void>[] = []
    for (let n = 0; !stop.signal.aborted; n++, await setTimeout(1)) {
      for (const topic of topics) {
        sent.get(topic)!.add(n)
        const { engine } = nodes[0]!
        const message = publication(topic, { n })
        published.push(Promise.resolve<unknown>(retention === null ? engine.pass(message) : engine.publish(message, retention))
          .then(() => { acknowledged.get(topic)!.push(n) }, (error) => { failures.push(error) }))
      }
    }
    await Promise.all(published)
  })()
  return {
    nodes,
    failures,
    /** Ends the load and waits until what was acknowledged has arrived; says what is wrong with that. */
    async end () {
      stop.abort()
      await running
      const numbers = (node: typeof nodes[0], topic: string) => node.deliveries.all.filter((delivery) => delivery.topic === topic).map(numberOf).filter((n) => n !== null)
      const faults = { lost: 0, duplicated: 0, disordered: 0 }
      for (const topic of topics) await nodes[0]!.engine.publish(publication(topic, { n: null }), KEPT)
      const isThere = (node: typeof nodes[0], topic: string) => node.deliveries.all.some((delivery) => delivery.topic === topic && numberOf(delivery) === null)
      await until(() => nodes.every((node) => topics.every((topic) => isThere(node, topic))))
      for (const node of nodes) {
        for (const topic of topics) {
          const got = numbers(node, topic)
          const unique = new Set(got)
          faults.duplicated += got.length - unique.size
          faults.lost += acknowledged.get(topic)!.filter((n) => !unique.has(n)).length
          faults.disordered += got.filter((n, i) => i > 0 && n < got[i - 1]!).length
        }
      }
      return { faults, acknowledged: acknowledged.get('all')!.length }
    }
  }
}

const NONE = { lost: 0, duplicated: 0, disordered: 0 }

for (const type of ['pubsub', 'normal']) {
  t.test(`killing the ${type} connections repeatedly loses nothing, duplicates nothing and keeps the order`, async (t) => {
    const server = await RedisServer.start(t)
    const { end, nodes, failures } = await load(t, server)
    for (let kill = 0; kill < 20; kill++) {
      await setTimeout(150)
      await server.admin.client('KILL', 'TYPE', type, 'SKIPME', 'yes')
    }
    const { faults, acknowledged } = await end()
    t.strictSame(faults, NONE)
    t.strictSame(failures, [])
    t.ok(acknowledged > 200)
    t.comment(`${acknowledged} on each topic`)
    t.ok(nodes.every(({ breaks }) => breaks.all.length === 0))
    t.ok(nodes.every(({ engine }) => engine.cluster.availability.status === 'ready'))
  })
}

t.test('without history, killing the pubsub connections loses messages, so the loss checks can fail', async (t) => {
  const server = await RedisServer.start(t)
  const { end } = await load(t, server, null)
  for (let kill = 0; kill < 5; kill++) {
    await setTimeout(150)
    await server.admin.client('KILL', 'TYPE', 'pubsub')
  }
  t.ok((await end()).faults.lost > 0)
})

t.test('flushed scripts are loaded again, in the order of the calls', async (t) => {
  const server = await RedisServer.start(t)
  const { end, failures } = await load(t, server)
  for (let flush = 0; flush < 20; flush++) {
    await setTimeout(20)
    await server.admin.script('FLUSH')
  }
  const { faults } = await end()
  t.strictSame([faults, failures], [NONE, []])
})

t.test('while the server is stopped every call fails in time, readiness says so, and then everything continues', async (t) => {
  const server = await RedisServer.start(t)
  const { end, nodes, failures } = await load(t, server)
  const { engine } = nodes[1]!
  const heard: string[] = []
  engine.cluster.onAvailability(({ status }) => { heard.push(status) })
  const [record, other] = [question(), question()]
  await engine.confirmations.create(record)
  server.pause()
  const pausedAt = performance.now()
  const { presence, confirmations: store } = engine
  const calls = () => ({
    publish: engine.publish(publication('channel:b'), KEPT),
    subscribe: engine.subscribe(`channel:${Math.random()}`),
    history: engine.history('all', null, 10),
    add: presence.add('a', client('c1', 'alice')),
    remove: presence.remove('a', client('c1', 'alice')),
    list: presence.list('a'),
    create: store.create(other),
    get: store.get(record.callback_id),
    listed: store.list({}, null, 10),
    settle: store.settle(record.callback_id, settlement())
  })
  const allFail = async () => {
    const from = performance.now()
    await Promise.all(Object.entries(calls()).map(async ([name, call]) => {
      const error = await call.then(() => null, (error) => error)
      const ms = performance.now() - from
      if (error?.code !== 'WSM_ERR_UNAVAILABLE' || ms > 3_000) t.fail(`${name}: ${error} after ${ms} ms`)
    }))
    t.strictSame(await engine.cluster.ask('any', null, 100), { answers: [], missing: null })
  }
  await allFail()
  await until(() => engine.cluster.availability.status === 'unavailable')
  t.ok(performance.now() - pausedAt < 8_000)
  t.comment(`not ready after ${Math.round(performance.now() - pausedAt)} ms`)
  await allFail()
  server.resume()
  const resumedAt = performance.now()
  await until(() => engine.cluster.availability.status === 'ready')
  t.comment(`ready ${Math.round(performance.now() - resumedAt)} ms after the server`)
  t.strictSame(heard, ['unavailable', 'ready'])
  const { faults } = await end()
  t.strictSame(faults, NONE)
  t.ok(failures.length > 0 && failures.every((error) => (error as { code?: string }).code === 'WSM_ERR_UNAVAILABLE'))
  t.ok(nodes.every(({ breaks }) => breaks.all.length === 0))
})

t.test('a server that forgets everything is noticed as a break and another epoch', async (t) => {
  const server = await RedisServer.start(t)
  const build = nodesOf(server.port, { checkMs: 100, leaseMs: 600 })
  const [a, b] = [await listening(t, build), await listening(t, build)]
  for (const { engine } of [a, b]) for (const topic of ['all', 'channel:a']) await engine.subscribe(topic)
  await a.engine.presence.add('a', client('c1', 'alice'))
  const before = await a.engine.publish(publication('all', { n: 1 }), KEPT)
  await b.deliveries.next()
  await server.admin.flushall()
  const after = await a.engine.publish(publication('all', { n: 2 }), KEPT)
  t.not(after!.epoch, before!.epoch)
  for (const { breaks } of [a, b]) {
    await until(() => breaks.all.some(({ topic }) => topic === 'all'))
    t.equal(breaks.all.filter(({ topic }) => topic === 'all').length, 1)
  }
  t.match(await b.engine.history('all', before, 10), { entries: [], isComplete: false })
  await a.engine.publish(publication('all', { n: 3 }), KEPT)
  await until(() => b.deliveries.all.some((delivery) => numberOf(delivery) === 3))
  await until(async () => (await b.engine.presence.list('a')).length === 1)
})

t.test('a break without listeners does no harm', async (t) => {
  const server = await RedisServer.start(t)
  const engine = await nodesOf(server.port, { checkMs: 50 })(ENGINE)
  t.teardown(() => engine.close())
  const start = await engine.subscribe('all')
  await engine.publish(publication('all', { n: 1 }), KEPT)
  await server.admin.flushall()
  await until(async () => (await engine.subscribe('all')).epoch !== start.epoch)
  const deliveries = new Received<Delivery>()
  engine.onDelivery((delivery) => deliveries.push(delivery))
  await engine.publish(publication('all', { n: 2 }), KEPT)
  t.equal(numberOf(await deliveries.next()), 2)
})

t.test('a server that lost the end of a stream is noticed, even if the offsets have been assigned again', async (t) => {
  const server = await RedisServer.start(t)
  const proxy = await TcpProxy.start(t, server.port)
  const prefix = `lost-end-${Math.random()}`
  const far = await listening(t, nodesOf(proxy.port, { prefix, leaseMs: 900, commandTimeoutMs: 500 }))
  const start = await far.engine.subscribe('all')
  await far.engine.subscribe('channel:a')
  for (const n of [1, 2]) await far.engine.publish(publication('all', { n }), KEPT)
  await server.admin.save()
  for (const n of [3, 4, 5]) await far.engine.publish(publication('all', { n }), KEPT)
  await until(() => far.deliveries.all.length === 5)
  proxy.blackHole()
  await server.kill()
  await server.start()
  const near = await listening(t, nodesOf(server.port, { prefix, leaseMs: 900, commandTimeoutMs: 500 }))
  for (const n of [6, 7, 8, 9]) t.match(await near.engine.publish(publication('all', { n }), KEPT), { offset: n - 5 })
  proxy.heal()
  await until(() => far.breaks.all.length === 2)
  t.strictSame(new Set(far.breaks.all.map(({ topic }) => topic)), new Set(['all', 'channel:a']), 'nobody knows what was lost')
  for (const { position } of far.breaks.all) t.not(position.epoch, start.epoch)
  t.match(await near.engine.history('all', { epoch: start.epoch, offset: 2 }, 10), { isComplete: false })
})

t.test('with an append-only file that is always synced, killing the server loses nothing', async (t) => {
  const server = await RedisServer.start(t, { isDurable: true, config: ['--appendfsync', 'always'] })
  const { end, nodes, failures } = await load(t, server)
  const record = question()
  await nodes[0]!.engine.confirmations.create(record)
  for (let crash = 0; crash < 3; crash++) {
    await setTimeout(300)
    await server.kill()
    await server.start()
  }
  const { faults, acknowledged } = await end()
  t.strictSame([faults, failures], [NONE, []])
  t.ok(acknowledged > 100)
  t.ok(nodes.every(({ breaks }) => breaks.all.length === 0))
  t.match(await nodes[1]!.engine.confirmations.settle(record.callback_id, settlement()), { won: true })
})

t.test('without an append-only file, killing the server is a break on every topic, and none of its positions is complete', async (t) => {
  const server = await RedisServer.start(t)
  const build = nodesOf(server.port)
  const nodes = [await listening(t, build), await listening(t, build)]
  for (const { engine } of nodes) for (const topic of ['all', 'channel:a']) await engine.subscribe(topic)
  const [{ engine }] = nodes as [typeof nodes[0]]
  const before = await engine.publish(publication('all', { n: 1 }), KEPT)
  for (const { deliveries } of nodes) await deliveries.next()
  await server.kill()
  await server.start()
  for (const { breaks } of nodes) await until(() => breaks.all.length === 2)
  for (const { breaks } of nodes) t.strictSame(new Set(breaks.all.map(({ topic }) => topic)), new Set(['all', 'channel:a']))
  t.match(await engine.history('all', before, 10), { isComplete: false })
  const after = await engine.publish(publication('all', { n: 2 }), KEPT)
  t.not(after!.epoch, before!.epoch)
  for (const { deliveries, breaks } of nodes) {
    await until(() => deliveries.all.length === 2)
    t.equal(breaks.all.length, 2)
  }
})

t.test('a server that went back behind its assigned offsets begins a new epoch', async (t) => {
  const server = await RedisServer.start(t)
  const { engine, breaks, deliveries } = await listening(t, nodesOf(server.port, { checkMs: 50 }))
  const prefix = (await server.admin.keys('*')).find((key) => key.endsWith('{nodes}:leases'))!.split(':')[0]
  const start = await engine.subscribe('all')
  for (const n of [1, 2, 3]) await engine.publish(publication('all', { n }), KEPT)
  await until(() => deliveries.all.length === 3)
  await server.admin.hset(`${prefix}:{all}:position`, 'offset', 2)
  const { topic, position } = await breaks.next()
  t.equal(topic, 'all')
  t.not(position.epoch, start.epoch)
  t.match(await engine.publish(publication('all', { n: 4 }), KEPT), { epoch: position.epoch, offset: 1 })
})

t.test('an engine closes as fast while its server is stopped', async (t) => {
  const server = await RedisServer.start(t)
  const { engine } = await listening(t, nodesOf(server.port))
  await engine.subscribe('all')
  server.pause()
  const from = performance.now()
  const publishing = engine.publish(publication('all'), KEPT)
  const caught = t.rejects(publishing, { code: 'WSM_ERR_UNAVAILABLE' })
  await engine.close()
  await caught
  t.ok(performance.now() - from < 1_800, 'sooner than the call by itself')
  server.resume()
})

t.test('the Redis engine does not start without a server', async (t) => {
  const server = await RedisServer.start(t)
  await server.kill()
  const from = performance.now()
  await t.rejects(listening(t, nodesOf(server.port, { commandTimeoutMs: 300 })), { code: 'WSM_ERR_UNAVAILABLE' })
  t.ok(performance.now() - from < 1_800)
})
