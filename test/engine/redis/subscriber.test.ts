import t, { type Test } from 'tap'
import { Subscriber } from '../../../lib/engine/redis/subscriber.js'
import { FakeRedis } from '../../fixtures/fake-redis.js'
import { Gate } from '../../fixtures/gate.js'
import { keepingLog } from '../../fixtures/redis-nodes.js'

/** A subscriber on a connection that the test answers for, and when it is up. */
function subscriberOf (t: Test, isCluster: boolean) {
  const client = new FakeRedis()
  const { log, messages } = keepingLog()
  const up = new Gate()
  const nothing = () => {}
  const events = { onMessage: nothing, onUp: () => { up.wait() }, onDown: nothing, onRestored: nothing }
  const subscriber = new Subscriber(client.factory(isCluster), ['fixed'], 5_000, log, events)
  t.teardown(() => subscriber.link.close())
  return { subscriber, client, messages, up: up.reached }
}

for (const [isCluster, sign] of [[false, ''], [true, 's']] as const) {
  t.test(`${isCluster ? 'on a cluster' : 'on one server'}, what is left while a connection subscribes to it is left on that one, too`, async (t) => {
    const { subscriber, client, messages, up } = subscriberOf(t, isCluster)
    const gate = new Gate()
    client.answer = async (command) => {
      if (command === `${sign}unsubscribe`) throw new Error('broken')
      if (client.calls.length > 1) await gate.wait()
    }
    const subscribed = ['left', 'kept'].map((channel) => subscriber.subscribe(channel))
    subscriber.link.open()
    await gate.reached
    subscriber.unsubscribe('left')
    gate.open()
    await up
    await Promise.all(subscribed)
    t.strictSame(client.calls, [
      'subscribe fixed', ...(isCluster ? ['ssubscribe left', 'ssubscribe kept'] : ['subscribe left kept']), `${sign}unsubscribe left`
    ])
    t.strictSame(messages, ['a channel could not be unsubscribed from'], 'where that fails, the connection is of use all the same')
    t.ok(subscriber.link.isUp)
  })
}
