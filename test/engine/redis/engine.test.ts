import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Feed } from '../../../lib/engine/redis/feed.js'
import { RedisPresenceStore } from '../../../lib/engine/redis/presence.js'
import { ENGINE, KEPT, engineSuite, publication } from '../../fixtures/engine-suite.js'
import { RedisServer } from '../../fixtures/redis.js'
import { builder } from '../../fixtures/redis-nodes.js'
import { until } from '../../fixtures/until.js'

const server = await RedisServer.start(t)

t.test('the Redis engine fulfils the engine contract', (t) => engineSuite(t, builder(server.port)))

t.test('a node that closes just after a rollback of Redis restores nothing any more', async (t) => {
  let restored = 0
  t.intercept(RedisPresenceStore.prototype, 'restoreLost', { value: async () => { restored++ } })
  const rolledBack = async () => {
    const engine = await builder(server.port, { commandTimeoutMs: 5_000 })(ENGINE)
    t.teardown(() => engine.close())
    await engine.publish(publication('channel:a', { n: 1 }), KEPT)
    await server.admin.flushall()
    await engine.publish(publication('channel:a', { n: 2 }), KEPT)
    return engine
  }
  const open = await rolledBack()
  await until(() => restored > 0)
  await open.close()
  const engine = await rolledBack()
  const before = restored
  await engine.close()
  await sleep(60)
  t.equal(restored, before)
})

t.test('the feeds of a node end with it, so that a read that is still under way delivers nothing', async (t) => {
  const ended = t.capture(Feed.prototype, 'close', Feed.prototype.close)
  const engine = await builder(server.port)(ENGINE)
  t.teardown(() => engine.close())
  for (const topic of ['channel:a', 'channel:b']) await engine.subscribe(topic)
  t.equal(ended().length, 0)
  await engine.close()
  t.ok(ended().length >= 2, 'those of the two, and of what the node itself follows')
})
