import { Type } from '@sinclair/typebox'
import t from 'tap'
import { startApp } from '../fixtures/app.js'

const open = { auth: { anonymous: true } }

t.test('with auth.anonymous an upgrade without a token opens an anonymous socket', async (t) => {
  const server = await startApp(t, open, {
    after: (app) => app.ws.handle('test.who', { schema: Type.Object({}) }, (_message, { user }) => ({ user }))
  })
  const client = await server.connect('alice', { token: null })
  t.match(client.received[0], { type: 'connection', data: { user_id: null, expires_at: null } })
  t.match(await client.request({ type: 'test.who' }), { type: 'reply', data: { user: null } })
  t.match(await server.app.ws.broadcast({ type: 'app.news' }), { localRecipients: 1 })
  await client.next('app.news')
  t.match(server.app.ws.getStatus(), { active_connections: 1, users: 0 })
  t.match((await server.rest('GET', '/ws/clients')).body.clients, [{ client_id: client.id, user_id: null }])
})

t.test('an anonymous socket has no rights of a user', async (t) => {
  const server = await startApp(t, open)
  const client = await server.connect('alice', { token: null })
  t.match(await client.request({ type: 'confirm', callback_id: 'x', proceed: true }), { code: 'unauthorized' })
  t.match(await client.request({ type: 'cancel', task_id: 'x' }), { code: 'unauthorized' })
  t.match(await client.request({ type: 'subscribe', user_id: 'alice' }), { code: 'forbidden' })
  t.match(await client.request({ type: 'subscribe', channel_ids: ['news'] }), { code: 'forbidden' })
})

t.test('authorizeSubscribe is called for anonymous sockets, too', async (t) => {
  const server = await startApp(t, { ...open, authorizeSubscribe: (user, channel) => user !== null || channel === 'public' })
  const client = await server.connect('alice', { token: null, path: '/ws?channel_id=public' })
  t.same(client.received[0]!.data.channels, ['public'])
  t.match(await client.request({ type: 'subscribe', channel_ids: ['members'] }), { code: 'forbidden' })
})

t.test('with auth.anonymous a bad token is refused, and the socket does not become anonymous', async (t) => {
  const server = await startApp(t, { ...open, rejectMode: 'close' })
  const client = await server.dial('alice', { token: 'bad' }).opened()
  t.match(await client.closed, { code: 4401 })
  t.equal((await server.rest('GET', '/ws/status', { as: null })).status, 401, 'and REST needs a token')
})

t.test('an auth frame switches a socket from anonymous to a user and back', async (t) => {
  const server = await startApp(t, open)
  const client = await server.connect('alice', { token: null })
  t.match(await client.request({ type: 'auth', token: server.token('alice') }), { data: { user_id: 'alice' } })
  t.match(await server.app.ws.sendToUser('alice', { type: 'app.hello' }), { localRecipients: 1 })
  t.match(await client.request({ type: 'change_user', token: 'bad' }), { code: 'unauthorized' })
  t.match(await client.request({ type: 'connection' }), { data: { user_id: 'alice' } })
  t.match(await client.request({ type: 'change_user' }), { data: { user_id: null, expires_at: null } })
  t.match(await server.app.ws.sendToUser('alice', { type: 'app.hello' }), { localRecipients: 0 })
  t.equal(server.app.ws.getStatus().users, 0)
  t.match(await client.request({ type: 'change_user' }), { data: { user_id: null } }, 'twice is harmless')
})

t.test('with auth.anonymous a socket without a token is admitted at once, even with auth.firstFrame', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true, firstFrame: true, timeoutMs: 20 } })
  const client = await server.connect('alice', { token: null })
  const waiting = await startApp(t, { auth: { firstFrame: true, timeoutMs: 40 } })
  await (await waiting.dial('bob', { token: null }).opened()).closed
  await client.settled()
  t.equal(server.app.ws.getConnectionCount(), 1, 'its time would be over')
})
