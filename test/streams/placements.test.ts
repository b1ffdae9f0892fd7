import t, { type Test } from 'tap'
import { RedisCluster } from '../../lib/engine/redis/cluster.js'
import { RedisPresenceStore } from '../../lib/engine/redis/presence.js'
import { redis } from '../../lib/engine/redis/redis.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { ENGINE } from '../fixtures/engine-suite.js'
import { Gate } from '../fixtures/gate.js'
import { RedisServer } from '../fixtures/redis.js'

const server = await RedisServer.start(t)
let prefixes = 0

/** Two nodes, and a socket of alice on the second. */
async function start (t: Test, options: WsPluginOptions = {}) {
  const engine = redis({ port: server.port, host: '127.0.0.1' }, { prefix: `placements-${prefixes++}` })
  const [here, there] = await Promise.all([1, 2].map(() => startApp(t, { engine, channels: { 'room-*': { presence: true } }, ...options }))) as [TestApp, TestApp]
  return { engine, ws: here.app.ws, there, alice: await there.connect('alice') }
}

/**
 * Holds up every join of a channel, on any node.
 *
 * @param joins number of joins that must wait before the gate counts as reached
 */
function holdJoins (t: Test, joins = 1): Gate {
  const gate = new Gate()
  const { add } = RedisPresenceStore.prototype
  t.intercept(RedisPresenceStore.prototype, 'add', {
    async value (this: RedisPresenceStore, ...args: Parameters<typeof add>) {
      joins--
      await (joins <= 0 ? gate.wait() : gate.opened)
      return add.apply(this, args)
    }
  })
  return gate
}

t.test('ws.join() and ws.leave() work for a socket of another node', async (t) => {
  const { ws, there, alice } = await start(t)
  t.equal(await ws.join(alice.id, 'room-1'), true)
  t.equal(await ws.join(alice.id, 'room-1', { userId: 'alice' }), true, 'twice is harmless')
  t.same(await there.app.ws.presence('room-1'), { clients: 1, users: [{ user_id: 'alice', client_ids: [alice.id] }] })
  await ws.sendToChannel('room-1', { type: 'x.y' })
  await alice.next('x.y')
  t.equal(await ws.leave(alice.id, 'room-1'), true)
  t.equal(await ws.leave(alice.id, 'room-1'), true, 'from nowhere is harmless')
  t.same((await alice.request({ type: 'connection' })).data.channels, [])
})

t.test('ws.join() and ws.leave() have no effect on a socket that has ended or belongs to another user', async (t) => {
  const { ws, there, alice } = await start(t)
  await ws.join(alice.id, 'room-1')
  for (const [id, guard] of [['gone', {}], [alice.id, { userId: 'bob' }], [alice.id, { userId: null }]] as const) {
    t.equal(await ws.join(id, 'room-2', guard), false)
    t.equal(await ws.leave(id, 'room-1', guard), false)
  }
  t.same((await alice.request({ type: 'connection' })).data.channels, ['room-1'])
  await t.rejects(ws.join(alice.id, ''), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  await t.rejects(ws.leave(alice.id, ''), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  await there.app.close()
  t.equal(await ws.join(alice.id, 'room-2'), false)
})

t.test('ws.join() rejects for a socket of another node that has reached its maximum of channels', async (t) => {
  const { ws, there, alice } = await start(t, { limits: { maxChannelsPerConnection: 1 } })
  await ws.join(alice.id, 'room-1')
  const fault = { code: 'WSM_ERR_TOO_MANY_CHANNELS', statusCode: 429, message: /at most 1 channels/ }
  await t.rejects(ws.join(alice.id, 'room-2'), fault)
  await t.rejects(there.app.ws.join(alice.id, 'room-2'), fault, 'as on its own node')
})

t.test('ws.join() resolves to false if the socket ends or switches users meanwhile', async (t) => {
  for (const change of ['end', 'switch'] as const) {
    const { ws, there, alice } = await start(t)
    const gate = holdJoins(t, 2)
    const joined = [ws.join(alice.id, 'room-1'), there.app.ws.join(alice.id, 'room-1')]
    await gate.reached
    if (change === 'end') await there.app.ws.disconnect(alice.id)
    else await alice.request({ type: 'change_user', token: there.token('bob') })
    gate.open()
    t.same(await Promise.all(joined), [false, false], change)
    t.same(await ws.presence('room-1'), { clients: 0, users: [] })
  }
})

t.test('ws.join() and ws.leave() reject with unavailable if a node does not answer', async (t) => {
  const { ws, there, alice } = await start(t)
  for (const missing of [['silent'], null]) {
    const silent = t.intercept(RedisCluster.prototype, 'ask', { value: async () => ({ answers: [], missing }) })
    await t.rejects(ws.join(alice.id, 'room-1'), { code: 'WSM_ERR_UNAVAILABLE', statusCode: 503 })
    await t.rejects(ws.leave(alice.id, 'room-1'), { code: 'WSM_ERR_UNAVAILABLE' })
    t.equal(await there.app.ws.join(alice.id, 'room-1'), true, 'its own node need not ask')
    silent.restore()
  }
  t.intercept(RedisPresenceStore.prototype, 'add', { value: async () => { throw new Error('out of reach') } })
  await t.rejects(ws.join(alice.id, 'room-2'), { code: 'WSM_ERR_UNAVAILABLE' })
  t.same((await alice.request({ type: 'connection' })).data.channels, ['room-1'])
})

t.test('a malformed join or leave request of another node is not served', async (t) => {
  const { engine, alice } = await start(t)
  const other = await engine({ ...ENGINE, log: { error () {}, warn () {}, info () {}, debug () {} } as never })
  t.teardown(() => other.close())
  for (const kind of ['join', 'leave']) {
    for (const data of [null, { client_id: alice.id }, { client_id: alice.id, channel: '' }]) {
      t.match(await other.cluster.ask(kind, data, 2_000), { answers: { length: 0 }, missing: { length: 2 } }, `${kind} ${JSON.stringify(data)}`)
    }
  }
})

t.test('on a single node ws.join() and ws.leave() of an unknown socket resolve to false', async (t) => {
  const { app } = await startApp(t)
  t.same([await app.ws.join('gone', 'room'), await app.ws.leave('gone', 'room')], [false, false])
})
