import t from 'tap'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { MemoryPresenceStore } from '../../lib/engine/memory/presence.js'
import { errors } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'

t.test('a socket is a member of all and of its user from its first frame on', async (t) => {
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

t.test('nothing of a socket stays when it is gone', async (t) => {
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

t.test('an anonymous socket hears what is for all and what is for its channels', async (t) => {
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

t.test('a channel that could not be joined is left again, and those of before are kept', async (t) => {
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

t.test('a channel that the app takes back while it is joined is not joined', async (t) => {
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
  await joined
  t.match(await ws.sendToChannel('room', { type: 'x.y' }), { localRecipients: 0 })
  t.same(await ws.presence('room'), { clients: 0, users: [] })
})
