import t, { type Test } from 'tap'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { SECRET, startApp } from '../fixtures/app.js'
import { gatedTopic } from '../fixtures/gated-topic.js'
import { until } from '../fixtures/until.js'
import { forge } from '../fixtures/tokens.js'

/** alice may join a and both, bob b and both. */
const channels: WsPluginOptions = {
  authorizeSubscribe: (user, channel) => channel === 'both' || (user?.id === 'alice' && channel === 'a') || (user?.id === 'bob' && channel === 'b')
}

async function switched (t: Test, options: WsPluginOptions = channels) {
  const server = await startApp(t, options)
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['a', 'both'] })
  await server.app.ws.join(client.id, 'app')
  client.queue.length = 0
  return { server, client, ws: server.app.ws }
}

t.test('a socket that switches users receives the new user\'s messages and none of the old user\'s', async (t) => {
  const { server, client, ws } = await switched(t)
  await ws.sendToUser('alice', { type: 'app.before' })
  t.match(await client.request({ type: 'change_user', token: server.token('bob') }), { type: 'reply', data: { user_id: 'bob', client_id: client.id } })
  t.match(await ws.sendToUser('alice', { type: 'app.after' }), { localRecipients: 0 })
  t.match(await ws.sendToUser('bob', { type: 'app.hello' }), { localRecipients: 1 })
  await client.next('app.hello')
  t.equal(client.count('app.after'), 0)
  const types = client.queue.map(({ type }) => type)
  t.ok(types.indexOf('app.before') < types.indexOf('connection'), 'what is the old user\'s comes before the connection frame')
  t.same((await server.rest('GET', '/ws/clients?user_id=alice')).body.clients, [])
  t.match((await server.rest('GET', '/ws/clients?user_id=bob')).body.clients, [{ client_id: client.id, user_id: 'bob' }])
  t.equal(ws.getStatus().users, 1)
})

t.test('with identitySwitch refuse a socket keeps its user, and accepts a fresh token of the same user', async (t) => {
  const server = await startApp(t, { auth: { identitySwitch: 'refuse', anonymous: true } })
  const client = await server.connect('alice')
  for (const frame of [{ type: 'change_user', token: server.token('bob') }, { type: 'auth', token: server.token('bob') }, { type: 'change_user' }]) {
    t.match(await client.request(frame), { type: 'error', code: 'forbidden' })
    t.match(await client.request({ type: 'connection' }), { data: { user_id: 'alice' } })
  }
  t.match(await client.request({ type: 'auth', token: server.token('alice') }), { type: 'reply', data: { user_id: 'alice' } })
  const nobody = await server.connect('', { token: null })
  t.match(await nobody.request({ type: 'auth', token: server.token('bob') }), { data: { user_id: 'bob' } }, 'nobody\'s socket becomes somebody\'s')
  t.match(await nobody.request({ type: 'auth', token: server.token('alice') }), { code: 'forbidden' }, 'once')
})

t.test('a socket that switches users leaves channels that the new user may not join', async (t) => {
  const { server, client, ws } = await switched(t)
  client.send({ type: 'change_user', token: server.token('bob'), id: 1 })
  t.match(await client.next(), { type: 'connection', data: { user_id: 'bob', channels: ['both'] } })
  t.match(await client.next(), { type: 'unsubscribed', channel: 'a', reason: 'forbidden' })
  t.match(await client.next(), { type: 'unsubscribed', channel: 'app', reason: 'forbidden' })
  t.match(await client.next(), { type: 'reply', id: 1, data: { channels: ['both'] } })
  t.match(await ws.sendToChannel('a', { type: 'app.a' }), { localRecipients: 0 })
  t.match(await ws.sendToChannel('app', { type: 'app.app' }), { localRecipients: 0 })
  t.match(await ws.sendToChannel('both', { type: 'app.both' }), { localRecipients: 1 })
  await client.next('app.both')
  t.equal(client.count('app.a') + client.count('app.app'), 0)
})

t.test('a socket keeps its channels and messages when its user refreshes the token', async (t) => {
  const { server, client, ws } = await switched(t)
  const exp = Math.floor(Date.now() / 1000) + 60
  const heard: unknown[] = []
  ws.on('identity_changed', ({ client, previous }) => { heard.push([previous?.claims.role, client.user?.claims.role]) })
  t.match(await client.request({ type: 'auth', token: server.token('alice', { exp, role: 'editor' }) }), {
    type: 'reply', data: { user_id: 'alice', expires_at: exp * 1000, channels: ['a', 'both', 'app'] }
  })
  t.same(heard, [[undefined, 'editor']])
  t.match(await ws.sendToUser('alice', { type: 'app.hello' }), { localRecipients: 1 }, 'once')
  t.match(await ws.sendToChannel('app', { type: 'app.app' }), { localRecipients: 1 })
  await client.settled()
  t.equal(client.count('unsubscribed'), 0)
  t.equal(client.count('app.hello'), 1)
})

t.test('a refreshed user who lost a permission leaves that channel, but not those that the app joined', async (t) => {
  const { server, client } = await switched(t, { authorizeSubscribe: (user, channel) => user?.claims.suspended !== true || channel === 'both' })
  await client.request({ type: 'auth', token: server.token('alice', { suspended: true }) })
  t.match(await client.next('unsubscribed'), { channel: 'a', reason: 'forbidden' })
  t.same((await client.request({ type: 'connection' })).data.channels, ['both', 'app'])
})

t.test('a bad token in an auth frame does not change the socket\'s user or channels', async (t) => {
  const { server, client, ws } = await switched(t)
  ws.on('identity_changed', () => { t.fail('nothing changed') })
  for (const token of ['bad', forge({ sub: 'bob' }, { secret: 'another secret, and a long one too' }), forge({ sub: 'bob', exp: 1 })]) {
    t.match(await client.request({ type: 'change_user', token }), { type: 'error', code: 'unauthorized' })
  }
  t.match(await client.request({ type: 'change_user' }), { type: 'error', code: 'unauthorized' })
  t.match(await client.request({ type: 'connection' }), { data: { user_id: 'alice', channels: ['a', 'both', 'app'] } })
  t.match(await ws.sendToUser('alice', { type: 'app.hello' }), { localRecipients: 1 })
  t.match(await ws.sendToUser('bob', { type: 'app.hello' }), { localRecipients: 0 })
  t.equal(server.app.ws.getConnectionCount(), 1)
})

t.test('a socket that switches users gets the new user\'s open questions, and the old user\'s stay theirs', async (t) => {
  const { server, client, ws } = await switched(t)
  const abort = new AbortController()
  const ask = (userId: string) => ws.notifyUser({ step: 1, message: `${userId}?` }, { userId, taskId: 'task', signal: abort.signal })
  const asked = [ask('alice'), ask('bob')]
  const question = await client.next('task_step_result')
  t.equal(question.message, 'alice?')
  await client.request({ type: 'change_user', token: server.token('bob') })
  t.equal((await client.next('task_step_result')).message, 'bob?')
  t.match(await client.request({ type: 'confirm', callback_id: question.callback_id, proceed: true }), { code: 'forbidden' })
  await client.request({ type: 'auth', token: server.token('bob') })
  await client.settled()
  t.equal(client.count('task_step_result'), 2, 'a refresh asks nothing again')
  abort.abort()
  await Promise.all(asked)
})

t.test('frames behind a change_user frame wait, and are handled as the new user\'s', async (t) => {
  const server = await startApp(t, { ...channels, jwt: { secret: async () => SECRET } })
  const client = await server.connect('alice', { token: forge({ sub: 'alice' }) })
  client.send({ type: 'subscribe', channel_ids: ['a'], id: 'a as alice' })
  client.send({ type: 'change_user', token: forge({ sub: 'bob' }), id: 'bob' })
  client.send({ type: 'subscribe', channel_ids: ['a'], id: 'a as bob' })
  client.send({ type: 'subscribe', channel_ids: ['b'], id: 'b as bob' })
  client.send({ type: 'connection', id: 'who' })
  t.match(await client.next(({ id }) => id === 'who'), { data: { user_id: 'bob', channels: ['b'] } })
  t.match(client.queue.find(({ id }) => id === 'a as alice'), { type: 'reply' })
  t.match(client.queue.find(({ id }) => id === 'a as bob'), { type: 'error', code: 'forbidden' })
})

t.test('a channel that the app joins while a socket switches users is left when the switch is done', async (t) => {
  let allow = (_allowed: boolean) => {}
  let isAsked = () => {}
  const asked = new Promise<void>((resolve) => { isAsked = resolve })
  const server = await startApp(t, {
    authorizeSubscribe: (user) => user?.id === 'alice' || new Promise<boolean>((resolve) => { allow = resolve; isAsked() })
  })
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['shared'] })
  const reply = client.request({ type: 'change_user', token: server.token('bob') })
  await asked
  t.match(await server.app.ws.sendToUser('alice', { type: 'app.hello' }), { localRecipients: 1 }, 'it is the old user\'s until then')
  await server.app.ws.join(client.id, 'late')
  allow(true)
  t.match(await reply, { data: { user_id: 'bob', channels: ['shared'] } })
  t.match(await client.next('unsubscribed'), { channel: 'late', reason: 'forbidden' })
})

t.test('a socket that ends while it switches users is not registered for the new user', async (t) => {
  let allow = (_allowed: boolean) => {}
  let isAsked = () => {}
  const asked = new Promise<void>((resolve) => { isAsked = resolve })
  const server = await startApp(t, {
    authorizeSubscribe: (user) => user?.id === 'alice' || new Promise<boolean>((resolve) => { allow = resolve; isAsked() })
  })
  const ended = new Promise<void>((resolve) => server.app.ws.on('client_disconnected', ({ client }) => {
    t.equal(client.user?.id, 'alice')
    resolve()
  }))
  server.app.ws.on('identity_changed', () => { t.fail('it is gone') })
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['shared'] })
  client.send({ type: 'change_user', token: server.token('bob') })
  await asked
  client.socket.terminate()
  await ended
  allow(true)
  await server.rest('GET', '/ws/health', { as: null })
  t.match(server.app.ws.getStatus(), { active_connections: 0, users: 0, channels: 0 })
})

t.test('a socket that ends while it joins its new user\'s topics is not registered either', async (t) => {
  const gate = gatedTopic(t, 'user:bob')
  const server = await startApp(t)
  const ended = new Promise((resolve) => server.app.ws.on('client_disconnected', resolve))
  const client = await server.connect('alice')
  client.send({ type: 'change_user', token: server.token('bob') })
  await gate.reached
  client.socket.terminate()
  await ended
  gate.open()
  await server.rest('GET', '/ws/health', { as: null })
  t.match(server.app.ws.getStatus(), { active_connections: 0, users: 0, channels: 0 })
})

t.test('a socket that ends while it joins its first topics leaves nothing behind', async (t) => {
  const gate = gatedTopic(t, 'user:alice')
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const client = await server.dial('alice', { path: '/ws?channel_id=room' }).opened()
  await gate.reached
  client.socket.terminate()
  await until(() => server.app.ws.getConnectionCount() === 0)
  const left = t.capture(MemoryEngine.prototype, 'unsubscribe', MemoryEngine.prototype.unsubscribe)
  gate.open()
  await until(() => left.args().some(([topic]) => topic === 'channel:room'))
  t.match(server.app.ws.getStatus(), { active_connections: 0, users: 0, channels: 0 })
})

t.test('log lines name the user that the socket had at that time', async (t) => {
  const { server, client, ws } = await switched(t)
  const ended = new Promise<void>((resolve) => ws.on('client_disconnected', () => resolve()))
  await client.request({ type: 'change_user', token: server.token('bob') })
  await client.close()
  await ended
  t.match(server.logs.find(({ msg }) => msg === 'client connected'), { user_id: 'alice', client_id: client.id })
  t.match(server.logs.find(({ msg }) => msg === 'client disconnected'), { user_id: 'bob', client_id: client.id })
})

t.test('a token whose permissions cannot be checked changes nothing, and can be sent again', async (t) => {
  let isAway = false
  const fail = () => { throw new Error('the database is away') }
  const { server, client, ws } = await switched(t, { ...channels, auth: { anonymous: true }, authorizeSubscribe: (user, channel) => isAway && channel === 'both' ? fail() : user?.id === 'alice' })
  const before = (await client.request({ type: 'connection' })).data
  const later = Math.floor(Date.now() / 1000) + 7_200
  isAway = true
  for (const frame of [{ type: 'auth', token: server.token('alice', { exp: later }) }, { type: 'change_user', token: server.token('bob') }, { type: 'change_user' }]) {
    t.match(await client.request(frame), { type: 'error', code: 'unavailable' })
    t.same((await client.request({ type: 'connection' })).data, before, 'the token of before, too')
  }
  for (const channel of ['a', 'both', 'app']) t.match(await ws.sendToChannel(channel, { type: `app.${channel}` }), { localRecipients: 1 })
  t.match(await ws.sendToUser('alice', { type: 'app.hello' }), { localRecipients: 1 })
  await client.next('app.hello')
  t.equal(client.count('unsubscribed'), 0)
  isAway = false
  t.match(await client.request({ type: 'auth', token: server.token('alice', { exp: later }) }), { data: { channels: ['a', 'both', 'app'], expires_at: later * 1_000 } })
})

t.test('a first token can be sent again if authorizeSubscribe failed for the channel of the URL', async (t) => {
  let isAway = true
  const authorizeSubscribe = async () => {
    if (isAway) throw new Error('the database is away')
    return true
  }
  const server = await startApp(t, { auth: { firstFrame: true }, authorizeSubscribe })
  const client = await server.dial('alice', { token: null, path: '/ws?channel_id=room' }).opened()
  t.match(await client.request({ type: 'auth', token: server.token('alice') }), { type: 'error', code: 'unavailable' })
  isAway = false
  t.match(await client.request({ type: 'auth', token: server.token('alice') }), { type: 'reply', data: { user_id: 'alice', channels: ['room'] } })
})
