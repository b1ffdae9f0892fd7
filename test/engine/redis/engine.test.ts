import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
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
