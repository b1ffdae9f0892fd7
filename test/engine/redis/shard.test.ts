import t from 'tap'
import { Shard } from '../../../lib/engine/redis/shard.js'
import { FakeRedis } from '../../fixtures/fake-redis.js'
import { silent } from '../../fixtures/redis-nodes.js'

t.test('a subscription confirmed by a connection that broke meanwhile rejects', async (t) => {
  const client = new FakeRedis()
  const nothing = () => {}
  const shard = new Shard(client, { factory: client.factory(), timeoutMs: 400, log: silent }, {
    onMessage: nothing, onUp: nothing, onDown: nothing, onDoubt: nothing, onMoved: nothing
  })
  t.teardown(() => shard.link.close())
  // The answer is read, then the end, before anybody hears of either.
  client.answer = async (command) => { if (command === 'ssubscribe') queueMicrotask(() => client.emit('end')) }
  await t.rejects(shard.subscribe('{x}'), /the connection broke/)
  client.answer = async () => 'OK'
  await shard.subscribe('{x}')
})
