import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { RedisCluster } from '../../../lib/engine/redis/cluster.js'
import { Commands } from '../../../lib/engine/redis/commands.js'
import { presence } from '../../../lib/engine/redis/presence-scripts.js'
import { client, listening } from '../../fixtures/engine-suite.js'
import { Gate } from '../../fixtures/gate.js'
import { nodesOf } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { TcpProxy } from '../../fixtures/tcp-proxy.js'
import { until } from '../../fixtures/until.js'

const server = await RedisServer.start(t)
const OPTIONS = { leaseMs: 450, commandTimeoutMs: 400 }
const CHANNELS = ['a', 'b', 'c']

type Node = Awaited<ReturnType<typeof listening>>

/** Two nodes; one of them can be cut off. The sockets in the channels are that one's. */
async function start (t: Test, options = {}) {
  const prefix = randomUUID()
  const proxy = await TcpProxy.start(t, server.port)
  const near = await listening(t, nodesOf(server.port, { ...OPTIONS, ...options, prefix }))
  const far = await listening(t, nodesOf(proxy.port, { ...OPTIONS, ...options, prefix }))
  for (const channel of CHANNELS) {
    await near.engine.subscribe(`channel:${channel}`)
    await far.engine.presence.add(channel, client(`far in ${channel}`, 'alice'))
  }
  return { prefix, proxy, near, far }
}

/** Holds up whoever takes a dead node out of a channel. */
function holdRemovals (t: Test, before: () => Promise<void>): { done: Promise<unknown>[] } {
  const done: Promise<unknown>[] = []
  const { run } = Commands.prototype
  t.intercept(Commands.prototype, 'run', {
    value: function (this: Commands, ...args: Parameters<typeof run>) {
      if (args[0] !== presence || !args[2].includes('gone')) return run.apply(this, args)
      const removal = before().then(() => run.apply(this, args))
      done.push(removal.catch(() => {}))
      return removal
    }
  })
  return { done }
}

const present = async ({ engine }: Node) => (await Promise.all(CHANNELS.map((channel) => engine.presence.list(channel)))).flat().map(({ client_id: id }) => id)
const ALL = CHANNELS.map((channel) => `far in ${channel}`)

/** Resolves when the node has its lease again, and has said anew who is there. */
async function returned ({ engine }: Node): Promise<void> {
  await until(() => (engine.cluster as RedisCluster).isLeased)
  await Promise.all(CHANNELS.map((channel) => engine.presence.add(channel, client(`far in ${channel}`, 'alice'))))
}

t.test('a node that comes back while it is being removed stays', async (t) => {
  const { proxy, near, far } = await start(t)
  const gate = new Gate()
  const { done } = holdRemovals(t, () => gate.wait())
  proxy.blackHole()
  await gate.reached
  proxy.heal()
  await returned(far)
  t.equal(done.length, 3)
  gate.open()
  await Promise.all(done)
  t.strictSame(await present(near), ALL)
  await until(() => near.changes.all.length >= 3)
  t.strictSame(near.changes.all.map(({ kind }) => kind), ['joined', 'joined', 'joined'], 'nobody was told that anybody has left')
})

t.test('a node that came back and dies again is removed again', async (t) => {
  const { prefix, proxy, near, far } = await start(t)
  for (let time = 1; time <= 2; time++) {
    proxy.blackHole()
    await until(async () => (await present(near)).length === 0)
    await until(async () => await server.admin.zcard(`${prefix}:{nodes}:dead`) === 0)
    proxy.heal()
    await returned(far)
    t.strictSame(await present(near), ALL)
  }
  const { nodeId } = far.engine.cluster
  const term = async () => Number(await server.admin.hget(`${prefix}:{nodes}:terms`, nodeId))
  t.equal(await term(), 3)
  // Redis goes back to when it was in its first term, and takes it for dead.
  await server.admin.hset(`${prefix}:{nodes}:terms`, nodeId, 1)
  await server.admin.zadd(`${prefix}:{nodes}:leases`, 1, nodeId)
  await until(async () => await term() > 3)
  await returned(far)
  t.strictSame(await present(near), ALL)
  proxy.blackHole()
  await until(async () => await server.admin.exists(`${prefix}:{nodes}:channels:${nodeId}`) === 0)
  t.strictSame(await present(near), [])
  t.strictSame(await server.admin.hkeys(`${prefix}:{nodes}:terms`), [near.engine.cluster.nodeId], 'nothing is left of it')
})

t.test('a removal that one node has begun is finished by another', async (t) => {
  const { prefix, proxy, near } = await start(t)
  const other = await listening(t, nodesOf(server.port, { ...OPTIONS, prefix }))
  let failures = 0
  holdRemovals(t, async () => { if (failures++ < 4) throw new Error('the remover died') })
  proxy.blackHole()
  await until(async () => (await present(near)).length === 0)
  t.ok(failures > 4)
  await until(async () => await server.admin.zcard(`${prefix}:{nodes}:dead`) === 0)
  t.strictSame(await present(other), [])
})

t.test('a lease renewed late but before any node noticed removes nobody from presence', async (t) => {
  const { prefix, near, far } = await start(t)
  const late = performance.now() + 700
  while (performance.now() < late) { /* both nodes are stopped, as they are where Redis is */ }
  for (const node of [near, far]) await until(() => (node.engine.cluster as RedisCluster).isLeased)
  t.strictSame(await present(near), ALL)
  t.strictSame(await server.admin.hvals(`${prefix}:{nodes}:terms`), ['1', '1'])
  t.equal(near.changes.all.filter(({ kind }) => kind === 'left').length, 0)
})

t.test('nodes add their sockets to presence again after Redis went back or lost their leases', async (t) => {
  const { prefix, near, far } = await start(t)
  const forget = () => server.admin.del(CHANNELS.flatMap((channel) => ['clients', 'users', 'nodes'].map((key) => `${prefix}:{channel:${channel}}:${key}`)))
  const { nodeId } = far.engine.cluster
  const losses = [
    () => server.admin.hdel(`${prefix}:{nodes}:terms`, nodeId),
    () => server.admin.del(`${prefix}:{nodes}:terms`, `${prefix}:{nodes}:leases`),
    () => server.admin.hset(`${prefix}:{nodes}:terms`, nodeId, 1)
  ]
  for (const lose of losses) {
    t.equal(await forget(), 9)
    await lose()
    await until(async () => (await present(near)).length === 3)
  }
  t.equal(await server.admin.hget(`${prefix}:{nodes}:terms`, nodeId), '4')
})

t.test('presence in Redis is reconciled with the node\'s sockets at intervals', async (t) => {
  const { prefix, near } = await start(t, { leaseMs: 60_000, presenceTtlMs: 1_000 })
  await server.admin.del(CHANNELS.flatMap((channel) => ['clients', 'users', 'nodes'].map((key) => `${prefix}:{channel:${channel}}:${key}`)))
  await until(async () => (await present(near)).length === 3)
})

t.test('the sockets of nodes that have all died are removed by a node that starts later', async (t) => {
  const prefix = randomUUID()
  const options = { ...OPTIONS, leaseMs: 300, prefix }
  const proxy = await TcpProxy.start(t, server.port)
  const before = await listening(t, nodesOf(proxy.port, options))
  await before.engine.presence.add('a', client('c1', 'alice'))
  proxy.blackHole()
  await before.engine.close()
  t.ok(await server.admin.pttl(`${prefix}:{nodes}:leases`) > 500_000, 'as long as presence is kept')
  t.strictSame(await server.admin.hkeys(`${prefix}:{channel:a}:clients`), ['c1'])
  const after = await listening(t, nodesOf(server.port, options))
  await until(async () => (await after.engine.presence.list('a')).length === 0)
})
