import { Type } from '@sinclair/typebox'
import t from 'tap'
import { SECRET, startApp } from '../fixtures/app.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'
import { refusal } from '../fixtures/refusal.js'
import { forge } from '../fixtures/tokens.js'

const waiting = { auth: { firstFrame: true } }

t.test('a first auth frame authenticates the socket', async (t) => {
  const server = await startApp(t, waiting)
  const connected: unknown[] = []
  server.app.ws.on('client_connected', ({ client }) => { connected.push(client.user?.id) })
  const client = await server.dial('alice', { token: null }).opened()
  await client.settled()
  t.equal(client.count('connection'), 0, 'nobody is connected yet')
  t.match(await client.request({ type: 'auth', token: server.token('alice') }), { type: 'reply', data: { user_id: 'alice' } })
  t.match(await client.next('connection'), { data: { user_id: 'alice', channels: [] } })
  t.same(connected, ['alice'])
  t.match(await server.app.ws.sendToUser('alice', { type: 'app.hello' }), { localRecipients: 1 })
  await client.next('app.hello')
})

t.test('a change_user frame authenticates a socket like an auth frame', async (t) => {
  const server = await startApp(t, waiting)
  const client = await server.dial('alice', { token: null }).opened()
  client.send({ action: 'change_user', token: server.token('alice') })
  t.match(await client.next(), { type: 'connection', data: { user_id: 'alice' } })
})

t.test('an unauthenticated socket can send no other frame and receives no message', async (t) => {
  const server = await startApp(t, { ...waiting, authorizeSubscribe: () => true, authorizeSend: () => true, limits: { maxErrorsPerMinute: 100 } }, {
    after: (app) => app.ws.handle('test.hit', { schema: Type.Object({}) }, () => t.fail('a handler was reached'))
  })
  const client = await server.dial('alice', { token: null }).opened()
  const frames = [
    { type: 'connection' }, { type: 'subscribe', channel_ids: ['news'] }, { type: 'unsubscribe', channel_ids: ['news'] },
    { type: 'confirm', callback_id: 'x', proceed: true }, { type: 'cancel', task_id: 'x' }, { type: 'walker', walker: 'test.hit' },
    { type: 'user', user_ids: ['bob'], data: {} }, { type: 'channel', channel_ids: ['news'], data: {} },
    { type: 'client', client_ids: ['x'], data: {} }, { type: 'test.hit' }
  ]
  for (const frame of frames) t.match(await client.request(frame), { type: 'error', code: 'unauthorized' }, frame.type)
  t.match(await client.request({ type: 'ping' }), { type: 'reply' })

  t.match(await server.app.ws.broadcast({ type: 'app.news' }), { localRecipients: 0 })
  t.equal(server.app.ws.getConnectionCount(), 1)
  t.match(server.app.ws.getStatus(), { users: 0, channels: 0 })
  t.same((await server.rest('GET', '/ws/clients')).body.clients, [])
  await client.settled()
  t.same([...new Set(client.received.map(({ type }) => type))].sort(), ['error', 'pong', 'reply'])
})

t.test('frames sent right behind the first auth frame are handled as the user\'s', async (t) => {
  const server = await startApp(t, { ...waiting, authorizeSubscribe: (user) => user?.id === 'alice', jwt: { secret: async () => SECRET } })
  const client = await RawClient.to(t, server)
  const frames = [{ type: 'auth', token: forge({ sub: 'alice' }) }, { type: 'subscribe', channel_ids: ['news'] }, { type: 'connection', id: 1 }]
  // All of it in one packet: the server reads the frames before it has looked up the key.
  client.upgrade('/ws', {}, Buffer.concat(frames.map((frame) => maskedFrame(opcodes.text, JSON.stringify(frame)))))
  t.equal((await client.response()).status, 101)
  const types = []
  for (const expected of ['connection', 'subscribed', 'subscription_confirmed', 'connection', 'reply']) {
    const frame = JSON.parse((await client.frame()).payload.toString())
    types.push(frame.type)
    if (expected === 'reply') t.match(frame, { id: 1, data: { user_id: 'alice', channels: ['news'] } })
  }
  t.same(types, ['connection', 'subscribed', 'subscription_confirmed', 'connection', 'reply'])
})

t.test('a socket without an auth frame in time is closed with 4408', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true, timeoutMs: 30 } })
  const client = await server.dial('alice', { token: null }).opened()
  t.same(await client.closed, { code: 4408, reason: 'No auth frame in time' })
  t.equal(server.app.ws.getStatus().rejected.auth_timeouts, 1)
  t.equal(server.app.ws.getConnectionCount(), 0)
})

t.test('neither a ping nor a bad token extends the time for the first auth frame', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true, timeoutMs: 60 }, limits: { maxErrorsPerMinute: 1000 } })
  const client = await server.dial('alice', { token: null }).opened()
  const talk = async (): Promise<never> => {
    for (;;) {
      await client.request({ type: 'ping' })
      await client.request({ type: 'auth', token: 'bad' })
    }
  }
  t.match(await Promise.race([client.closed, talk()]), { code: 4408 })
})

t.test('a socket with an auth frame in time stays open', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true, timeoutMs: 800 } })
  const client = await server.dial('alice', { token: null }).opened()
  const other = await server.dial('bob', { token: null }).opened()
  await client.request({ type: 'auth', token: server.token('alice') })
  t.match(await other.closed, { code: 4408 }, 'the time of both is over')
  await client.settled()
  t.equal(server.app.ws.getConnectionCount(), 1)
})

t.test('a bad token in the first auth frame is an error, and a valid one may follow', async (t) => {
  const server = await startApp(t, waiting)
  const client = await server.dial('alice', { token: null }).opened()
  t.match(await client.request({ type: 'auth', token: 'bad' }), { code: 'unauthorized' })
  t.match(await client.request({ type: 'auth' }), { code: 'unauthorized' })
  t.equal(client.count('connection'), 0)
  t.match(await client.request({ type: 'auth', token: server.token('alice') }), { data: { user_id: 'alice' } })
})

t.test('a token at the upgrade is accepted with auth.firstFrame, too', async (t) => {
  const server = await startApp(t, waiting)
  const client = await server.connect('alice')
  t.equal(client.received[0]!.data.user_id, 'alice')
  t.equal((await refusal(server.dial('alice', { token: 'bad' }))).statusCode, 401)
})

t.test('authorizeSubscribe for the channel of the URL is called once the first auth frame has identified the user', async (t) => {
  const server = await startApp(t, { ...waiting, authorizeSubscribe: (user, channel) => user?.id === 'alice' && channel === 'news' })
  const client = await server.dial('x', { token: null, path: '/ws?channel_id=news' }).opened()
  t.match(await client.request({ type: 'auth', token: server.token('bob') }), { type: 'error', code: 'forbidden' })
  t.match(server.app.ws.getStatus(), { users: 0, channels: 0 })
  t.match(await client.request({ type: 'auth', token: server.token('alice') }), { data: { channel_id: 'news', channels: ['news'] } })
  t.match(await server.app.ws.sendToChannel('news', { type: 'app.news' }), { localRecipients: 1 })
})

t.test('a client that disconnects while its first token is verified leaves nothing behind', async (t) => {
  let answer = (_secret: string) => {}
  const asked = new EventTarget()
  const secret = () => new Promise<string>((resolve) => {
    answer = resolve
    asked.dispatchEvent(new Event('asked'))
  })
  const server = await startApp(t, { ...waiting, jwt: { secret } })
  const heard: string[] = []
  server.app.ws.on('client_connected', () => { heard.push('connected') })
  server.app.ws.on('client_disconnected', () => { heard.push('disconnected') })
  const ended = new Promise<void>((resolve) => server.app.server.once('connection', (socket) => socket.once('close', resolve)))
  const client = await RawClient.to(t, server)
  client.upgrade('/ws')
  await client.response()
  const isAsked = new Promise((resolve) => asked.addEventListener('asked', resolve))
  client.send(opcodes.text, JSON.stringify({ type: 'auth', token: forge({ sub: 'alice' }) }))
  await isAsked
  client.reset()
  await ended
  await server.rest('GET', '/ws/health', { as: null })
  answer(SECRET)
  await server.rest('GET', '/ws/health', { as: null })
  t.match(server.app.ws.getStatus(), { active_connections: 0, users: 0, channels: 0 })
  t.same(heard, [], 'nobody was announced')
})
