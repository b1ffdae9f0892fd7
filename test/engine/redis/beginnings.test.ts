import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { StreamPosition } from '../../../lib/engine/engine.js'
import type { RedisEngineOptions } from '../../../lib/engine/redis/options.js'
import { redis } from '../../../lib/engine/redis/redis.js'
import { slotOf, tagOf } from '../../../lib/engine/redis/slots.js'
import { startApp } from '../../fixtures/app.js'
import { KEPT, listening, numberOf, publication } from '../../fixtures/engine-suite.js'
import { nodesOf } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { until } from '../../fixtures/until.js'

const server = await RedisServer.start(t)

/** Nodes that share streams, and the keys of these. */
function nodes (options: Partial<RedisEngineOptions> = {}) {
  const prefix = randomUUID()
  const key = (topic: string, name: string) => `${prefix}:{${topic}}:${name}`
  const beginnings = `${prefix}:beginnings:{all}:epoch`
  /** As if so much of the life of a position had passed, which is a day. */
  const age = async (share: number) => {
    const since = Number(await server.admin.hget(beginnings, 'since'))
    await server.admin.hset(beginnings, 'since', since - share * 86_400_000)
  }
  return { build: nodesOf(server.port, { prefix, checkMs: 20, ...options }), prefix, key, beginnings, age }
}

t.test('joining and leaving topics without publications leaves no key behind', async (t) => {
  const { build, prefix } = nodes()
  const { engine } = await listening(t, build)
  const before = await server.admin.keys(`${prefix}:*`)
  for (let n = 0; n < 200; n++) {
    await engine.subscribe(`channel:${n}`)
    engine.unsubscribe(`channel:${n}`)
    await engine.history(`channel:${n}`, { epoch: 'any', offset: 0 }, 10)
  }
  const after = await server.admin.keys(`${prefix}:*`)
  t.strictSame(after.filter((name) => !before.includes(name)), [])
})

t.test('a position of a stream that has not begun is valid for two windows, and no longer', async (t) => {
  const { build, age } = nodes()
  const { engine } = await listening(t, build)
  const told: StreamPosition[] = []
  const tell = async () => {
    told.push(await engine.subscribe('channel:a'))
    engine.unsubscribe('channel:a')
  }
  await tell()
  await age(0.45)
  await tell()
  t.not(told[0]!.epoch, told[1]!.epoch)
  for (const position of told) t.match(await engine.history('channel:a', position, 10), { isComplete: true, from: told[1] })
  await engine.publish(publication('channel:a', { n: 1 }), KEPT)
  for (const position of told) {
    const { entries, isComplete, from } = await engine.history('channel:a', position, 10)
    t.strictSame([entries.map(numberOf), isComplete, from], [[1], true, told[1]])
  }
  await age(0.45)
  t.match(await engine.history('channel:b', told[0]!, 10), { isComplete: false })
  t.match(await engine.history('channel:b', told[1]!, 10), { isComplete: true })
  await age(0.9)
  t.match(await engine.history('channel:b', told[1]!, 10), { isComplete: false })
  t.match(await engine.history('channel:a', told[0]!, 10), { isComplete: true }, 'that of one that has begun is as good as the stream')
})

t.test('a position from before a stream expired is not taken for one after it', async (t) => {
  const { build, age, key } = nodes()
  const { engine } = await listening(t, build)
  const before = await engine.subscribe('channel:a')
  engine.unsubscribe('channel:a')
  await engine.publish(publication('channel:a', { n: 1 }), KEPT)
  t.ok(await server.admin.pttl(key('channel:a', 'position')) >= 86_400_000, 'the stream is remembered longer than two windows')
  // Which are over when it is not any more.
  await server.admin.del(key('channel:a', 'position'), key('channel:a', 'log'))
  await age(1)
  t.match(await engine.history('channel:a', before, 10), { isComplete: false })
  await engine.publish(publication('channel:a', { n: 2 }), KEPT)
  t.match(await engine.history('channel:a', before, 10), { entries: [], isComplete: false })
})

t.test('a member that stays over a window keeps its position, and so does its next socket', async (t) => {
  // A node looks where its streams are when it has subscribed again, and not when it likes.
  const { build, age, key, beginnings } = nodes({ checkMs: 60_000 })
  const [a, b] = [await listening(t, build), await listening(t, build)]
  const position = await a.engine.subscribe('channel:a')
  await age(0.45)
  const other = await b.engine.subscribe('channel:a')
  await server.admin.client('KILL', 'TYPE', 'pubsub')
  await until(async () => await server.admin.exists(key('channel:a', 'position')) === 1)
  t.not(other.epoch, position.epoch)
  t.equal(await server.admin.hget(beginnings, 'epoch'), other.epoch)
  await age(0.9)
  await a.engine.publish(publication('channel:a', { n: 1 }), KEPT)
  t.strictSame((await a.deliveries.next()).position, { ...position, offset: 1 })
  t.strictSame((await b.deliveries.next()).position, { ...position, offset: 1 })
  for (const told of [position, other]) t.match(await b.engine.history('channel:a', told, 10), { entries: [{ position: { offset: 1 } }], isComplete: true })
  t.strictSame([...a.breaks.all, ...b.breaks.all], [])
})

t.test('a stream that began in a new window unnoticed by a node continues without a break', async (t) => {
  const { build, age } = nodes({ checkMs: 60_000 })
  const { engine, deliveries, breaks } = await listening(t, build)
  const position = await engine.subscribe('channel:a')
  await age(0.45)
  const { epoch } = (await engine.publish(publication('channel:a', { n: 1 }), KEPT))!
  t.not(epoch, position.epoch)
  t.strictSame((await deliveries.next()).position, { epoch, offset: 1 })
  t.strictSame(breaks.all, [])
})

t.test('a node that has not listened for longer than two windows is told that something may be missing', async (t) => {
  const { build, age } = nodes()
  const { engine, breaks } = await listening(t, build)
  const { epoch } = await engine.subscribe('channel:a')
  await age(0.9)
  const gap = await breaks.next()
  t.equal(gap.position.offset, 0)
  t.not(gap.position.epoch, epoch)
})

t.test('a stream whose position is lost begins in its own epoch', async (t) => {
  const { build, key } = nodes()
  const { engine, breaks } = await listening(t, build)
  const beginning = await engine.subscribe('channel:a')
  await engine.publish(publication('channel:a', { n: 1 }), KEPT)
  await server.admin.del(key('channel:a', 'position'))
  t.not((await breaks.next()).position.epoch, beginning.epoch)
})

t.test('a restart of Redis that lost something ends the shared epoch, for listeners, too', async (t) => {
  const restarted = await RedisServer.start(t)
  const { engine, breaks } = await listening(t, nodesOf(restarted.port, { checkMs: 20 }))
  await restarted.admin.save()
  const [listened, away] = [await engine.subscribe('channel:a'), await engine.subscribe('channel:b')]
  engine.unsubscribe('channel:b')
  await engine.publish(publication('channel:c'), KEPT)
  await restarted.kill()
  await restarted.start()
  const { topic, position } = await breaks.next()
  t.equal(topic, 'channel:a')
  t.strictSame([position.offset, position.epoch === listened.epoch], [0, false])
  t.match(await engine.history('channel:b', away, 10), { isComplete: false })
})

t.test('if the server may evict keys, each stream has its own from the first read on', async (t) => {
  const { build, key } = nodes({ acceptEviction: true })
  const { engine } = await listening(t, (options) => build({ ...options, maxTopics: 1 }))
  const position = await engine.subscribe('channel:a')
  t.equal(await server.admin.exists(key('channel:a', 'position')), 1)
  engine.unsubscribe('channel:a')
  await server.admin.del(key('channel:a', 'position'))
  t.match(await engine.history('channel:a', position, 10), { isComplete: false })
  for (const topic of ['channel:a', 'channel:b', 'channel:c']) await engine.publish(publication(topic), KEPT)
  await until(async () => await server.admin.exists(key('channel:a', 'position')) === 0)
})

t.test('after too many removed streams all begin in another epoch', async (t) => {
  const { build, prefix } = nodes()
  const { engine } = await listening(t, (options) => build({ ...options, maxTopics: 1 }))
  const position = await engine.subscribe('channel:quiet')
  engine.unsubscribe('channel:quiet')
  const forgotten = `${prefix}:beginnings:{all}:forgotten`
  await server.admin.eval('for n = 1, 100000 do redis.call("ZADD", KEYS[1], 9e15, n) end', 1, forgotten)
  for (const topic of ['channel:a', 'channel:b', 'channel:c']) await engine.publish(publication(topic), KEPT)
  await until(async () => !(await engine.history('channel:quiet', position, 10)).isComplete)
  t.ok(await server.admin.zcard(forgotten) < 10)
})

t.test('a stream that another node uses is not removed', async (t) => {
  const { build } = nodes()
  const [a, b] = [await listening(t, (options) => build({ ...options, maxTopics: 1 })), await listening(t, build)]
  await b.engine.subscribe('channel:listened')
  for (const topic of ['channel:listened', 'channel:written', 'channel:gone']) await a.engine.publish(publication(topic), KEPT)
  await b.engine.publish(publication('channel:written'), KEPT)
  for (let n = 0; n < 5; n++) await a.engine.publish(publication(`channel:${n}`), KEPT)
  await until(async () => (await b.engine.history('channel:gone', null, 10)).top.offset === 0)
  t.equal((await b.engine.history('channel:listened', null, 10)).entries.length, 1)
  t.strictSame(b.breaks.all, [])
})

t.test('every slot of a cluster has its own tag', (t) => {
  t.equal(slotOf('123456789'), 0x31c3, 'the check value of CRC-16/XMODEM')
  for (const slot of [0, 1, 8_191, 16_383]) t.equal(slotOf(tagOf(slot)), slot)
  t.end()
})

t.test('the app\'s option sets how long a position is remembered, and the engine has no option of that name', async (t) => {
  const prefix = randomUUID()
  const { app: { ws } } = await startApp(t, {
    engine: redis({ port: server.port }, { prefix }),
    history: { ttlMs: 1_000, positionTtlMs: 120_000 }
  })
  await ws.sendToChannel('room', { type: 'x.n' })
  const leftMs = await server.admin.pttl(`${prefix}:{channel:room}:position`)
  t.ok(leftMs > 60_000 && leftMs < 2 * 120_000, `it is ${leftMs} ms`)
  t.throws(() => redis({}, { positionTtlMs: 120_000 } as object), { code: 'WSM_ERR_INVALID_OPTION', message: /"engine.positionTtlMs"/ })
})
