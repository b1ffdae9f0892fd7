import { Cluster, Redis } from 'ioredis'
import t from 'tap'
import { redis } from '../../../lib/engine/redis/redis.js'
import { slotOf } from '../../../lib/engine/redis/slots.js'
import { everything, ruleOf } from '../../fixtures/access-suite.js'
import { ENGINE, KEPT, listening, publication } from '../../fixtures/engine-suite.js'
import { silent } from '../../fixtures/redis-nodes.js'
import { RedisCluster } from '../../fixtures/redis-cluster.js'
import { until } from '../../fixtures/until.js'

const { ports } = await RedisCluster.start(t)
const admins = ports.map((port) => new Redis(port, '127.0.0.1').on('error', () => {}))
t.teardown(() => admins.forEach((admin) => admin.disconnect()))
const app = new Cluster(ports.map((port) => ({ host: '127.0.0.1', port })), { lazyConnect: true })
t.teardown(() => app.disconnect())
// One that has lost a shard goes on with the others.
for (const admin of admins) await admin.config('SET', 'cluster-require-full-coverage', 'no')
for (const admin of admins) await until(async () => /cluster_state:ok/.test(await admin.cluster('INFO') as string))

t.test('on a Redis Cluster a user with the rule of the README can do everything, and missing permissions are named', async (t) => {
  for (const admin of admins) await admin.acl('SETUSER', 'app', 'on', '>secret', ...ruleOf('Redis Cluster'))
  const user = new Cluster(ports.map((port) => ({ host: '127.0.0.1', port })), { lazyConnect: true, redisOptions: { username: 'app', password: 'secret' } })
  t.teardown(() => user.disconnect())
  await everything(t, (engine) => redis(user, { commandTimeoutMs: 5_000 })({ ...engine, log: silent }))
  for (const admin of admins) await admin.acl('SETUSER', 'app', '-sunsubscribe')
  await t.rejects(redis(user, { commandTimeoutMs: 5_000 })({ ...ENGINE, log: silent }), { code: 'WSM_ERR_INVALID_OPTION', message: /may not run sunsubscribe: allow it with \+sunsubscribe/ })
  for (const admin of admins) await admin.acl('SETUSER', 'app', '+sunsubscribe', 'resetchannels')
  await t.rejects(redis(user, { commandTimeoutMs: 5_000 })({ ...ENGINE, log: silent }), { code: 'WSM_ERR_INVALID_OPTION', message: /with &wsm:\*/ })
  for (const admin of admins) await admin.acl('SETUSER', 'app', '-cluster')
  await t.rejects(redis(user, { commandTimeoutMs: 5_000 })({ ...ENGINE, log: silent }), { code: 'WSM_ERR_INVALID_OPTION', message: /\+cluster/ })
})

/** The slots that a server has. */
async function slotsOf ({ options: { port } }: Redis, admin: Redis): Promise<(topic: string) => boolean> {
  const ranges = (await admin.cluster('SLOTS')).filter(([, , master]) => master![1] === port)
  return (topic) => ranges.some(([first, last]) => slotOf(topic) >= Number(first) && slotOf(topic) <= Number(last))
}

/** A server without what nodes share of themselves. */
async function plainServer () {
  for (const admin of admins) {
    const isThere = await slotsOf(admin, admin)
    if (isThere('nodes') || isThere('~revocations') || isThere('~questions')) continue
    const topics = Array.from({ length: 100 }, (_, n) => `channel:${n}`)
    return { admin, there: topics.find(isThere)!, elsewhere: topics.find((topic) => !isThere(topic))! }
  }
  throw new Error('every server has something of the nodes')
}

t.test('a master that refuses writes or is gone makes a node degraded, and the other masters work', async (t) => {
  const { engine } = await listening(t, (engine) => redis(app, { leaseMs: 900 })({ ...ENGINE, ...engine, log: silent }))
  const heard: string[] = []
  const codeOf = (call: Promise<unknown>) => call.then(() => null, ({ code }) => code)
  engine.cluster.onAvailability(({ status, reasons }) => { heard.push([status, ...reasons].join(' ')) })
  const { admin, there, elsewhere } = await plainServer()
  for (const topic of [there, elsewhere]) await engine.publish(publication(topic), KEPT)
  await admin.config('SET', 'min-replicas-to-write', '1')
  await until(() => heard.length === 1)
  t.equal(await codeOf(engine.publish(publication(there), KEPT)), 'WSM_ERR_UNAVAILABLE')
  t.match(await engine.publish(publication(elsewhere), KEPT), { offset: 2 })
  await admin.config('SET', 'min-replicas-to-write', '0')
  await until(() => heard.length === 2)
  t.match(await engine.publish(publication(there), KEPT), { offset: 2 })

  admin.shutdown('NOSAVE').catch(() => {})
  await until(() => heard.length === 3)
  t.equal(await codeOf(engine.publish(publication(there), KEPT)), 'WSM_ERR_UNAVAILABLE')
  t.match(await engine.publish(publication(elsewhere), KEPT), { offset: 3 })
  t.strictSame(heard, ['degraded writes_refused', 'ready', 'degraded shard_unreachable'])
})
