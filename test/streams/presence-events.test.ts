import t, { type Test } from 'tap'
import { redis } from '../../lib/engine/redis/redis.js'
import type { EngineFactory } from '../../lib/engine/engine.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { RedisServer } from '../fixtures/redis.js'
import { until } from '../fixtures/until.js'

const server = await RedisServer.start(t)
const onRedis = (prefix: string) => redis({ port: server.port, host: '127.0.0.1' }, { prefix })

async function start (t: Test, engine?: EngineFactory) {
  const node = await startApp(t, { authorizeSubscribe: () => true, channels: { 'room-*': { presence: true } }, ...engine && { engine } })
  const events: string[] = []
  for (const event of ['user_joined', 'user_left'] as const) node.app.ws.on(event, ({ channel, userId: id }) => events.push(`${event} ${channel} ${id}`))
  /** Resolves when that many have come. */
  const told = async (count: number) => {
    await until(() => events.length >= count)
    return events
  }
  return { node, told }
}

const subscribe = { type: 'subscribe', channel_ids: ['room-1'] }
const unsubscribe = { type: 'unsubscribe', channel_ids: ['room-1'] }

for (const [name, engine] of [['memory', undefined], ['Redis', onRedis('events')]] as const) {
  t.test(`user_joined and user_left are emitted for every user, including a channel's first and last (${name})`, async (t) => {
    const { node, told } = await start(t, engine)
    const [alice, bob] = [await node.connect('alice'), await node.connect('bob')]
    await alice.request(subscribe)
    await told(1)
    await bob.request(subscribe)
    await told(2)
    await alice.request(unsubscribe)
    await told(3)
    await bob.close()
    t.strictSame(await told(4), ['user_joined room-1 alice', 'user_joined room-1 bob', 'user_left room-1 alice', 'user_left room-1 bob'])
    await alice.request(subscribe)
    await told(5)
    await node.app.close()
    t.strictSame(await told(6), ['user_joined room-1 alice', 'user_joined room-1 bob', 'user_left room-1 alice', 'user_left room-1 bob',
      'user_joined room-1 alice', 'user_left room-1 alice'])
  })
}

t.test('a node emits user_joined for its own users, and for others while it has members in the channel', async (t) => {
  const [a, d] = [await start(t, onRedis('two')), await start(t, onRedis('two'))]
  const comes = async ({ node }: { node: TestApp }, user: string) => {
    const client = await node.connect(user)
    await client.request(subscribe)
    return client
  }
  const eve = await comes(d, 'eve')
  await d.told(1)
  const alice = await comes(a, 'alice')
  await Promise.all([a.told(1), d.told(2)])
  await eve.request(unsubscribe)
  await Promise.all([a.told(2), d.told(3)])
  await alice.request(unsubscribe)
  t.strictSame(await a.told(3), ['user_joined room-1 alice', 'user_left room-1 eve', 'user_left room-1 alice'])
  t.strictSame(await d.told(3), ['user_joined room-1 eve', 'user_joined room-1 alice', 'user_left room-1 eve'])
})
