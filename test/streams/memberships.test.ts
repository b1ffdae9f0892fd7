import t from 'tap'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { MemoryPresenceStore } from '../../lib/engine/memory/presence.js'
import { errors } from '../../lib/index.js'
import { Memberships } from '../../lib/streams/memberships.js'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { until } from '../fixtures/until.js'

t.test('a socket is a member of all and of its user\'s topic from its first frame on', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  // As early as an app can: in the event, before anything else can happen.
  ws.on('client_connected', async () => {
    await ws.broadcast({ type: 'x.all' })
    await ws.sendToUser('alice', { type: 'x.user' })
  })
  const client = await server.connect('alice')
  await client.settled()
  t.same(client.received.slice(0, 3).map(({ type }) => type), ['connection', 'x.all', 'x.user'])
})

t.test('a socket that has ended leaves no memberships behind', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const { ws } = server.app
  const gone = new Promise((resolve) => { ws.on('client_disconnected', resolve) })
  const stays = await server.connect('bob')
  const client = await server.connect('alice', { path: '/ws?channel_id=a' })
  await client.request({ type: 'subscribe', channel_ids: ['b'] })
  await ws.join(client.id, 'c')
  t.match(ws.getStatus(), { active_connections: 2, users: 2, channels: 3 })
  await client.close()
  await gone
  t.match(ws.getStatus(), { active_connections: 1, users: 1, channels: 0 })
  t.match(await ws.broadcast({ type: 'x.y' }), { localRecipients: 1 })
  for (const channel of ['a', 'b', 'c']) t.match(await ws.sendToChannel(channel, { type: 'x.y' }), { localRecipients: 0 })
  t.match(await ws.sendToUser('alice', { type: 'x.y' }), { localRecipients: 0 })
  await stays.settled()
  t.equal(stays.count('x.y'), 1)
})

t.test('an anonymous socket receives messages to all and to its channels', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true }, authorizeSubscribe: (user) => user === null })
  const { ws } = server.app
  const client = await server.connect('nobody', { token: null })
  await client.request({ type: 'subscribe', channel_ids: ['lobby'] })
  t.match(await ws.broadcast({ type: 'x.y' }), { localRecipients: 1 })
  t.match(await ws.sendToChannel('lobby', { type: 'x.y' }), { localRecipients: 1 })
  t.match(await ws.sendToUser('null', { type: 'x.y' }), { localRecipients: 0 }, 'nobody is nobody\'s name')
  t.match(ws.getStatus(), { active_connections: 1, users: 0 })
  await client.close()
})

t.test('a failed join leaves its channels again, and keeps earlier memberships', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const { ws } = server.app
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['kept'] })
  const { subscribe } = MemoryEngine.prototype
  t.intercept(MemoryEngine.prototype, 'subscribe', {
    value: async function (this: MemoryEngine, topic: string) {
      if (topic === 'channel:far') throw new errors.UnavailableError('out of reach')
      return subscribe.call(this, topic)
    }
  })
  t.match(await client.request({ type: 'subscribe', channel_ids: ['near', 'far', 'kept'] }), { type: 'error', code: 'unavailable' })
  t.same((await client.request({ type: 'connection' })).data.channels, ['kept'])
  t.match(await ws.sendToChannel('near', { type: 'x.y' }), { localRecipients: 0 })
  t.match(await ws.sendToChannel('kept', { type: 'x.y' }), { localRecipients: 1 })
})

t.test('a channel that the app removes a socket from during the join is not joined', async (t) => {
  const server = await startApp(t, { channels: { room: { presence: true } } })
  const { ws } = server.app
  const client = await server.connect('alice')
  const gate = new Gate()
  const { add } = MemoryPresenceStore.prototype
  t.intercept(MemoryPresenceStore.prototype, 'add', {
    value: async function (this: MemoryPresenceStore, ...args: Parameters<typeof add>) {
      await gate.wait()
      return add.apply(this, args)
    }
  })
  const joined = ws.join(client.id, 'room')
  await gate.reached
  await ws.leave(client.id, 'room')
  gate.open()
  t.equal(await joined, false)
  t.match(await ws.sendToChannel('room', { type: 'x.y' }), { localRecipients: 0 })
  t.same(await ws.presence('room'), { clients: 0, users: [] })
})

for (const order of ['before', 'after']) {
  t.test(`of two concurrent joins of a channel the successful one counts if the other fails ${order} it`, async (t) => {
    const server = await startApp(t, { channels: { '*': { presence: true } } })
    const { ws } = server.app
    const client = await server.connect('alice')
    const [failing, succeeding] = [new Gate(), new Gate()]
    const gates = [failing, succeeding]
    const { add } = MemoryPresenceStore.prototype
    t.intercept(MemoryPresenceStore.prototype, 'add', {
      value: async function (this: MemoryPresenceStore, ...args: Parameters<typeof add>) {
        const gate = gates.shift()!
        await gate.wait()
        if (gate === failing) throw new errors.UnavailableError('out of reach')
        return add.apply(this, args)
      }
    })
    const [first, second] = [ws.join(client.id, 'room'), ws.join(client.id, 'room')]
    await succeeding.reached
    const fails = t.rejects(first, { code: 'WSM_ERR_UNAVAILABLE' })
    if (order === 'before') {
      failing.open()
      await fails
    }
    succeeding.open()
    t.equal(await second, true)
    failing.open()
    await fails
    await ws.sendToChannel('room', { type: 'x.y' })
    await client.next('x.y')
    t.match(await ws.presence('room'), { clients: 1 })
  })
}

t.test('concurrent joins that all fail leave nothing behind, and restore an earlier grant', async (t) => {
  const server = await startApp(t, { channels: { '*': { presence: true } }, authorizeSubscribe: () => true })
  const { ws } = server.app
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'subscribe', channel_ids: ['held'] }), { type: 'reply' })
  const restored = t.intercept(MemoryPresenceStore.prototype, 'add', { value: async () => { throw new errors.UnavailableError('out of reach') } })
  for (const join of [ws.join(client.id, 'new'), ws.join(client.id, 'new'), ws.join(client.id, 'held')]) await t.rejects(join, { code: 'WSM_ERR_UNAVAILABLE' })
  t.match(await client.request({ type: 'connection' }), { data: { channels: ['held'] } })
  const leaving = ws.join(client.id, 'held')
  t.equal(await ws.leave(client.id, 'held'), true)
  await t.rejects(leaving, { code: 'WSM_ERR_UNAVAILABLE' })
  restored.restore()
  t.match(await client.request({ type: 'connection' }), { data: { channels: [] } }, 'not even where it was left meanwhile')
  await client.request({ type: 'subscribe', channel_ids: ['new'] })
  t.match(await client.request({ type: 'connection' }), { data: { channels: ['new'] } })
})

t.test('a membership given by the app stays so when the client subscribes to the channel or a join fails', async (t) => {
  let isAllowed = true
  const server = await startApp(t, { channels: { failing: { presence: true } }, authorizeSubscribe: () => isAllowed })
  const { ws } = server.app
  const client = await server.connect('alice')
  t.equal(await ws.join(client.id, 'given'), true)
  await client.request({ type: 'subscribe', channel_ids: ['given', 'failing'] })
  t.intercept(MemoryPresenceStore.prototype, 'add', { value: async () => { throw new errors.UnavailableError('out of reach') } })
  await t.rejects(ws.join(client.id, 'failing'), { code: 'WSM_ERR_UNAVAILABLE' })
  isAllowed = false
  await client.request({ type: 'auth', token: server.token('alice') })
  t.match(await client.request({ type: 'connection' }), { data: { channels: ['given'] } })
})

t.test('a join that was prepared for a user whom the socket has left is not kept', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const client = await server.connect('alice')
  const { prepareJoin } = Memberships.prototype
  t.intercept(Memberships.prototype, 'prepareJoin', {
    value: async function (this: Memberships, ...args: Parameters<typeof prepareJoin>) {
      const joining = await prepareJoin.apply(this, args)
      args[0].identity.end()
      return joining
    }
  })
  const left = t.capture(MemoryEngine.prototype, 'unsubscribe', MemoryEngine.prototype.unsubscribe)
  t.match(await client.request({ type: 'subscribe', channel_ids: ['room'] }), { type: 'error', code: 'identity_changed' })
  const topics = new Set<string>()
  await until(() => {
    for (const [topic] of left.args()) topics.add(topic)
    return topics.has('channel:room')
  })
})
