import t from 'tap'
import { Subscriber } from '../../../lib/engine/redis/subscriber.js'
import { FakeRedis } from '../../fixtures/fake-redis.js'
import { Gate } from '../../fixtures/gate.js'
import { keepingLog } from '../../fixtures/redis-nodes.js'

t.test('a channel that is left while a new connection subscribes to it is unsubscribed there, too', async (t) => {
  const client = new FakeRedis()
  const { log, messages } = keepingLog()
  const up = new Gate()
  const nothing = () => {}
  const events = { onMessage: nothing, onUp: () => { up.wait() }, onDown: nothing, onRestored: nothing, onBehind: nothing }
  const subscriber = new Subscriber(client.factory(), ['fixed'], 5_000, log, events)
  t.teardown(() => subscriber.close())
  const gate = new Gate()
  client.answer = async (command) => {
    if (command === 'unsubscribe') throw new Error('broken')
    if (client.calls.length > 1) await gate.wait()
  }
  const subscribed = ['left', 'kept'].map((channel) => subscriber.subscribe(channel))
  subscriber.link.open()
  await gate.reached
  subscriber.unsubscribe('left')
  gate.open()
  await up.reached
  await Promise.all(subscribed)
  t.strictSame(client.calls, ['subscribe fixed', 'subscribe left kept', 'unsubscribe left'])
  t.strictSame(messages, ['could not unsubscribe from a channel'], 'where that fails, the connection is of use all the same')
  t.ok(subscriber.link.isUp)
})
