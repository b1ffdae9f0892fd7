import t, { type Test } from 'tap'
import { Commands } from '../../../lib/engine/redis/commands.js'
import { Link } from '../../../lib/engine/redis/link.js'
import { FakeRedis } from '../../fixtures/fake-redis.js'
import { silent } from '../../fixtures/redis-nodes.js'

/** Calls on a connection that the test answers for, and how often one was made. */
function commandsOf (t: Test, client: FakeRedis, timeoutMs = 5_000) {
  const seen = { connections: 0 }
  const factory = { ...client.factory(), create: () => { seen.connections++; return client } }
  const nothing = () => {}
  const link = new Link(factory, timeoutMs, silent, { onConnect: async () => {}, onUp: nothing, onDown: nothing })
  t.teardown(() => link.close())
  link.open()
  return { commands: new Commands(link, timeoutMs), seen }
}

function reply (message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' })
}

/** Fails once. */
function failingOnce (error: Error): () => Promise<unknown> {
  let isFirst = true
  return async () => {
    if (!isFirst) return 'done'
    isFirst = false
    throw error
  }
}

for (const message of [
  'MOVED 1 127.0.0.1:1', 'ASK 1 127.0.0.1:1', 'TRYAGAIN Multiple keys request during rehashing of slot', 'CLUSTERDOWN The cluster is down',
  'LOADING Redis is loading the dataset in memory', 'MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to \'no\'.'
]) {
  t.test(`a command refused with ${message.split(' ')[0]} is retried on the same connection`, async (t) => {
    const client = new FakeRedis()
    client.answer = failingOnce(reply(message))
    const { commands, seen } = commandsOf(t, client)
    t.equal(await commands.call('get', 'a'), 'done')
    t.strictSame([client.calls, seen.connections], [['get a', 'get a'], 1])
  })
}

t.test('a command that a replica refuses is retried on another connection', async (t) => {
  const client = new FakeRedis()
  client.answer = failingOnce(reply('READONLY You can\'t write against a read only replica.'))
  const { commands, seen } = commandsOf(t, client)
  t.equal(await commands.call('set', 'a', 1), 'done')
  t.strictSame([client.calls, seen.connections], [['set a 1', 'set a 1'], 2])
})

t.test('a command that stays refused fails in time, with the cause', async (t) => {
  const client = new FakeRedis()
  const error = reply('CLUSTERDOWN Hash slot not served')
  client.answer = async () => { throw error }
  const { commands } = commandsOf(t, client, 200)
  await t.rejects(commands.call('get', 'a'), { code: 'WSM_ERR_UNAVAILABLE', message: /refused/, cause: error })
  t.ok(client.calls.length > 1 && client.calls.length <= 5, `${client.calls.length} calls, with pauses between them`)
})

t.test('a command that is refused for a lasting reason fails at once', async (t) => {
  const client = new FakeRedis()
  client.answer = failingOnce(reply('ERR MOVED is not what it means'))
  const { commands } = commandsOf(t, client)
  await t.rejects(commands.call('get', 'a'), { code: 'WSM_ERR_UNAVAILABLE' })
  t.strictSame(client.calls, ['get a'])
})

t.test('while a server of a cluster is down the connections to the others stay open', async (t) => {
  for (const [isCluster, connections] of [[true, 1], [false, 2]] as const) {
    const client = new FakeRedis(isCluster)
    client.answer = failingOnce(new Error('Too many Cluster redirections. Last error: Error: Connection is closed.'))
    const { commands, seen } = commandsOf(t, client)
    t.equal(await commands.call('get', 'a'), 'done')
    t.strictSame([client.calls, seen.connections], [['get a', 'get a'], connections])
  }
})
