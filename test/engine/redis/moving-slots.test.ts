import { randomUUID } from 'node:crypto'
import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import type { Engine } from '../../../lib/engine/engine.js'
import { redis } from '../../../lib/engine/redis/redis.js'
import { KEPT, listening, numberOf, publication } from '../../fixtures/engine-suite.js'
import { RedisCluster } from '../../fixtures/redis-cluster.js'
import { silent } from '../../fixtures/redis-nodes.js'
import type { Received } from '../../fixtures/received.js'
import { within } from '../../fixtures/until.js'

const cluster = await RedisCluster.start(t, { replicas: 1 })
const app = new Cluster(cluster.addresses, { lazyConnect: true })
t.teardown(() => app.disconnect())

const TOPICS = Array.from({ length: 30 }, (_, n) => `channel:${n}`)
/** So soon after slots have moved everything arrives again. */
const SOON_MS = 1_000

let published = 0

/** Two nodes, of which one is subscribed to all topics; nothing is found by the check that comes now and then. */
async function nodes (t: Test, prefix = randomUUID()) {
  const [publishing, subscribed] = await Promise.all([1, 2].map(() =>
    listening(t, (engine) => redis(app, { prefix, checkMs: 600_000 })({ ...engine, log: silent }))))
  await Promise.all(TOPICS.map((topic) => subscribed!.engine.subscribe(topic)))
  return { publishing: publishing!.engine, ...subscribed!, channelOf: (topic: string) => `${prefix}:{${topic}}` }
}

/** Publishes on every topic. @returns the messages that are in no history, and those that are */
async function publishAll (engine: Engine): Promise<{ fleeting: number[], kept: number[] }> {
  const fleeting: number[] = []
  const kept: number[] = []
  await Promise.all(TOPICS.flatMap((topic) => [
    ...[fleeting, kept].map(async (numbers) => {
      const n = ++published
      await engine.publish(publication(topic, { n }), numbers === kept ? KEPT : null)
      numbers.push(n)
    })
  ]))
  return { fleeting, kept }
}

async function arrived (deliveries: Received<{ json: string }>, numbers: number[]): Promise<void> {
  const has = () => {
    const all = new Set(deliveries.all.map((delivery) => numberOf(delivery as never)))
    return numbers.every((n) => all.has(n))
  }
  await within(SOON_MS, `${numbers.length} messages have arrived`, has)
}

/** Publishes all the time while slots move; the histories' messages of that time arrive soon after, and all later ones at once. */
async function whileMoving (t: Test, move: (channelOf: (topic: string) => string) => Promise<void>): Promise<void> {
  const { publishing, deliveries, channelOf } = await nodes(t)
  const before = await publishAll(publishing)
  await arrived(deliveries, [...before.fleeting, ...before.kept])
  const kept: number[] = []
  const moving = new AbortController()
  const moved = move(channelOf).finally(() => moving.abort())
  while (!moving.signal.aborted) kept.push(...(await publishAll(publishing)).kept)
  await moved
  await arrived(deliveries, kept)
  const after = await publishAll(publishing)
  await arrived(deliveries, [...after.fleeting, ...after.kept])
  t.equal(new Set(deliveries.all.map(numberOf)).size, deliveries.all.length, 'nothing came twice')
}

t.test('subscriptions follow a planned failover', (t) => whileMoving(t, () => cluster.failover(0)))

t.test('subscriptions follow slots that are moved to another shard', (t) => whileMoving(t, async (channelOf) => {
  const slots = await Promise.all(TOPICS.map((topic) => cluster.slotOf(channelOf(topic))))
  const shards = await Promise.all(TOPICS.map((topic) => cluster.shardOf(channelOf(topic))))
  await cluster.migrate(slots.filter((_, n) => shards[n] === 1), 1, 2)
}))
