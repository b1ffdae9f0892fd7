import t, { type Test } from 'tap'
import { Shards } from '../../../lib/engine/redis/shards.js'
import { FakeClock } from '../../fixtures/fake-clock.js'
import { FakeRedisCluster } from '../../fixtures/fake-redis-cluster.js'
import { Gate } from '../../fixtures/gate.js'
import { keepingLog, silent } from '../../fixtures/redis-nodes.js'
import { until } from '../../fixtures/until.js'

function reply (message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' })
}

function shardsOf (t: Test, log = silent) {
  const cluster = new FakeRedisCluster()
  const heard: string[] = []
  const shards = new Shards({ factory: cluster.factory(), timeoutMs: 400, log }, {
    onMessage: (channel, payload) => { heard.push(`${channel} ${payload}`) },
    onRestored: (channels) => { heard.push(`restored ${channels}`) },
    onBehind: (isBehind) => { heard.push(isBehind ? 'behind' : 'up to date') }
  })
  t.teardown(() => shards.close())
  const map = cluster.map()
  const at = (key: string) => cluster.connections.get(key)!
  return { cluster, shards, heard, map, at }
}

const LOST_AND_FOUND = ['behind', 'up to date', 'restored {x}']

t.test('a channel is subscribed to once at the server of its slot, and unsubscribed from there', async (t) => {
  const { cluster, shards, heard, map, at } = shardsOf(t)
  cluster.move('{y}', 'b:2')
  const early = shards.subscribe('{x}')
  shards.follow(map)
  await Promise.all([early, shards.subscribe('{x}'), shards.subscribe('{y}')])
  await shards.subscribe('{x}')
  t.strictSame([at('a:1').commands, at('b:2').commands], [['ssubscribe {x}'], ['ssubscribe {y}']])
  at('b:2').emit('smessage', '{y}', 'hello')
  shards.unsubscribe('{x}')
  shards.unsubscribe('{never}')
  t.strictSame([at('a:1').commands, heard], [['ssubscribe {x}', 'sunsubscribe {x}'], ['{y} hello']])
  at('b:2').answer = async () => { throw new Error('broken') }
  shards.unsubscribe('{y}')
})

t.test('a subscription that the server ends is made again at the current server of its slot', async (t) => {
  const { cluster, shards, heard, map, at } = shardsOf(t)
  shards.follow(map)
  await Promise.all(['{x}', '{stays}'].map((channel) => shards.subscribe(channel)))
  cluster.move('{x}', 'b:2')
  at('a:1').held.delete('{x}')
  at('a:1').emit('error', new Error('sunsubscribe'))
  await until(() => heard.length === 3)
  t.strictSame(heard, LOST_AND_FOUND)
  t.strictSame([at('a:1').commands, at('b:2').commands], [['ssubscribe {x}', 'ssubscribe {stays}'], ['ssubscribe {x}']])
  t.ok(cluster.refreshes > 0)
})

t.test('after a new map the old server delivers until the new one has confirmed the subscription', async (t) => {
  const { cluster, shards, heard, map, at } = shardsOf(t)
  shards.follow(cluster.map())
  shards.follow(map)
  await shards.subscribe('{x}')
  const gate = new Gate()
  cluster.answer = () => gate.wait()
  cluster.move('{x}', 'b:2')
  map.emit('refresh')
  await gate.reached
  t.strictSame(heard, ['behind'])
  t.ok(at('a:1').held.has('{x}'))
  gate.open()
  await until(() => heard.length === 3)
  t.strictSame(heard, LOST_AND_FOUND)
  t.strictSame(at('a:1').commands, ['ssubscribe {x}', 'sunsubscribe {x}'])
})

t.test('only the slot map of the latest cluster client counts', async (t) => {
  const { cluster, shards, heard, map } = shardsOf(t)
  const old = cluster.map()
  shards.follow(old)
  shards.follow(map)
  await shards.subscribe('{x}')
  cluster.move('{x}', 'b:2')
  old.emit('refresh')
  t.strictSame(heard, [])
})

t.test('a subscription waits for a slot without a server, or with an unknown one', async (t) => {
  const { log, messages } = keepingLog()
  const { cluster, shards, map, at } = shardsOf(t, log)
  shards.follow(map)
  for (const owner of [[], ['unknown:3']]) {
    cluster.slots.fill(owner)
    const subscribed = shards.subscribe(`{${owner}}`)
    await new Promise((resolve) => setTimeout(resolve, 150))
    cluster.slots.fill(['a:1'])
    await subscribed
  }
  t.strictSame(at('a:1').commands, ['ssubscribe {}', 'ssubscribe {unknown:3}'])
  t.notOk(messages.includes('could not create a Redis connection'), 'none is made to a server that is unknown')
})

t.test('a subscription that is refused since its slot has moved is retried, even if the call gets no reply', async (t) => {
  for (const isAnswered of [true, false]) {
    const { cluster, shards, map, at } = shardsOf(t)
    cluster.answer = async (_command, channel) => {
      if (channel !== '{x}') return 'OK'
      cluster.answer = async () => 'OK'
      at('a:1').emit('moved')
      if (isAnswered) throw reply('MOVED 1 b:2')
      return new Promise(() => {})
    }
    shards.follow(map)
    await Promise.all([shards.subscribe('{other}'), shards.subscribe('{x}')])
    t.strictSame(at('a:1').commands, ['ssubscribe {other}', 'ssubscribe {x}', 'ssubscribe {x}'])
    t.ok(cluster.refreshes > 0)
    shards.close()
  }
})

t.test('a refused subscription rejects, a lost one is retried indefinitely', async (t) => {
  const { cluster, shards, heard, map, at } = shardsOf(t)
  shards.follow(map)
  cluster.answer = async () => { throw reply('NOPERM no') }
  await t.rejects(shards.subscribe('{x}'), { code: 'WSM_ERR_UNAVAILABLE', message: /refused/ })
  cluster.answer = async () => 'OK'
  await shards.subscribe('{x}')
  let refusals = 0
  cluster.answer = async () => {
    if (++refusals === 1) throw reply('NOPERM no')
  }
  at('a:1').held.delete('{x}')
  at('a:1').emit('error', new Error('sunsubscribe'))
  await until(() => heard.length === 3)
  t.strictSame([heard, refusals], [LOST_AND_FOUND, 2])
})

t.test('a broken connection to a cluster server affects only its own channels', async (t) => {
  const { cluster, shards, heard, map, at } = shardsOf(t)
  cluster.move('{y}', 'b:2')
  shards.follow(map)
  await Promise.all(['{x}', '{y}'].map((channel) => shards.subscribe(channel)))
  const [broken, whole] = [at('a:1'), at('b:2')]
  broken.emit('end')
  shards.unsubscribe('{not there}')
  await until(() => heard.length === 3)
  t.strictSame(heard, LOST_AND_FOUND)
  t.not(at('a:1'), broken)
  t.equal(at('b:2'), whole)
})

t.test('a subscription confirmed on a broken connection to a cluster server does not count', async (t) => {
  const { cluster, shards, map, at } = shardsOf(t)
  cluster.answer = async (_command, channel) => {
    cluster.answer = async () => 'OK'
    // The answer is read, then the end, before anybody hears of either.
    if (channel === '{x}') queueMicrotask(() => at('a:1').emit('end'))
  }
  shards.follow(map)
  await shards.subscribe('{x}')
  t.ok(at('a:1').held.has('{x}'), 'it is subscribed to on the next one')
})

t.test('unsubscribing from a lost channel ends its backlog, and needs no call while its server is down', async (t) => {
  const { shards, heard, map, at, cluster } = shardsOf(t)
  shards.follow(map)
  await shards.subscribe('{x}')
  cluster.slots.fill([])
  at('a:1').held.delete('{x}')
  at('a:1').emit('error', new Error('sunsubscribe'))
  await until(() => heard.length === 1)
  shards.unsubscribe('{x}')
  t.strictSame(heard, ['behind', 'up to date'])
  t.strictSame(at('a:1').commands, ['ssubscribe {x}'])
})

t.test('a channel left while its subscription is pending is unsubscribed on confirmation, unless it is wanted again', async (t) => {
  const { cluster, shards, map, at } = shardsOf(t)
  shards.follow(map)
  await shards.subscribe('{first}')
  for (const [channel, owner, isLeft] of [['{gone}', null, true], ['{same}', 'a:1', false], ['{moved}', 'b:2', true]] as const) {
    const gates = [new Gate(), new Gate()]
    let asked = 0
    cluster.answer = async (command, name) => {
      if (command === 'ssubscribe' && name === channel) await gates[asked++]!.wait()
    }
    const first = shards.subscribe(channel)
    await gates[0]!.reached
    shards.unsubscribe(channel)
    await first
    if (owner !== null) {
      cluster.move(channel, owner)
      const second = shards.subscribe(channel)
      await gates[1]!.reached
      gates[0]!.open()
      await new Promise(setImmediate)
      gates[1]!.open()
      await second
    } else gates[0]!.open()
    await new Promise(setImmediate)
    t.equal(at('a:1').commands.includes(`sunsubscribe ${channel}`), isLeft, channel)
  }
})

t.test('the connection to a server without slots is closed', async (t) => {
  const { cluster, shards, map, at } = shardsOf(t)
  shards.follow(map)
  await shards.subscribe('{x}')
  map.emit('refresh')
  t.notOk(at('a:1').isDisconnected)
  const gate = new Gate()
  cluster.answer = async (command) => {
    if (command === 'ssubscribe') await gate.wait()
  }
  cluster.move('{x}', 'b:2')
  map.nodes = (role) => cluster.map().nodes!(role).filter(({ options }) => role === 'all' || options!.port === 2)
  map.emit('refresh')
  await gate.reached
  t.notOk(at('a:1').isDisconnected, 'it is still the one that delivers')
  gate.open()
  await until(() => at('b:2')?.held.has('{x}') === true)
  map.emit('refresh')
  t.ok(at('a:1').isDisconnected)
})

t.test('a node that is behind on two channels reports it once, and once that it is up to date', async (t) => {
  const { cluster, shards, heard, map, at } = shardsOf(t)
  shards.follow(map)
  await Promise.all(['{x}', '{y}'].map((channel) => shards.subscribe(channel)))
  const gate = new Gate()
  const connection = at('a:1')
  connection.answer = () => gate.wait()
  for (const channel of ['{x}', '{y}']) {
    connection.held.delete(channel)
    connection.emit('error', new Error('sunsubscribe'))
    await new Promise(setImmediate)
  }
  t.strictSame(heard, ['behind'])
  gate.open()
  await until(() => heard.length === 4)
  t.strictSame(heard.filter((what) => !what.startsWith('restored')), ['behind', 'up to date'])
  t.equal(cluster.connections.size, 1)
})

t.test('a failed subscription that is no longer wanted does not reload the map', async (t) => {
  const clock = new FakeClock(t)
  const { cluster, shards, map } = shardsOf(t)
  const gate = new Gate()
  cluster.answer = async (_command, channel) => {
    if (channel === '{x}') throw reply('TRYAGAIN Multiple keys request during rehashing of slot')
    await gate.wait()
  }
  shards.follow(map)
  for (const channel of ['{x}', '{y}']) shards.subscribe(channel)
  await gate.reached
  await new Promise(setImmediate)
  shards.unsubscribe('{x}')
  clock.advance(300)
  t.equal(cluster.refreshes, 0)
  gate.open()
})

t.test('the connection to a master stays open without subscriptions', async (t) => {
  const { shards, map, at } = shardsOf(t)
  shards.follow(map)
  await shards.subscribe('{x}')
  shards.unsubscribe('{x}')
  map.emit('refresh')
  t.notOk(at('a:1').isDisconnected)
})

t.test('closed shards subscribe to nothing and report nothing', async (t) => {
  const { cluster, shards, heard, map, at } = shardsOf(t)
  shards.follow(map)
  await shards.subscribe('{x}')
  cluster.move('{y}', 'b:2')
  shards.subscribe('{y}')
  shards.close()
  await new Promise(setImmediate)
  t.ok(at('a:1').isDisconnected)
  t.equal(cluster.connections.size, 1)
  t.strictSame(heard, [])
})
