import t from 'tap'
import { startApp } from '../fixtures/app.js'

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
  t.same(await ws.broadcast({ type: 'x.y' }), { recipients: 1 })
  for (const channel of ['a', 'b', 'c']) t.same(await ws.sendToChannel(channel, { type: 'x.y' }), { recipients: 0 })
  t.same(await ws.sendToUser('alice', { type: 'x.y' }), { recipients: 0 })
  await stays.settled()
  t.equal(stays.count('x.y'), 1)
})

t.test('an anonymous socket hears what is for all and what is for its channels', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true }, authorizeSubscribe: (user) => user === null })
  const { ws } = server.app
  const client = await server.connect('nobody', { token: null })
  await client.request({ type: 'subscribe', channel_ids: ['lobby'] })
  t.same(await ws.broadcast({ type: 'x.y' }), { recipients: 1 })
  t.same(await ws.sendToChannel('lobby', { type: 'x.y' }), { recipients: 1 })
  t.same(await ws.sendToUser('null', { type: 'x.y' }), { recipients: 0 }, 'nobody is nobody\'s name')
  t.match(ws.getStatus(), { active_connections: 1, users: 0 })
  await client.close()
})
