import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { redis } from '../../lib/engine/redis/redis.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { RedisServer } from '../fixtures/redis.js'
import { refusal } from '../fixtures/refusal.js'

/*
 * Rows J1 to J9: the frames of the jac-cloud documentation, as they stand there; only the ids and tokens are real ones.
 */

/** An app as jac-cloud is one: public connections, open channels, clients may send to each other, two walkers. */
function startJac (t: Test, options: WsPluginOptions = {}): Promise<TestApp> {
  return startApp(t, { auth: { anonymous: true }, authorizeSubscribe: () => true, authorizeSend: () => true, ...options }, {
    after: ({ ws }) => {
      ws.handle('walker.your_event_name', { schema: Type.Object({ val: Type.Integer() }), reply: Type.String(), rest: true }, ({ val }) => `Do something ${val}!`)
      ws.handle('walker.your_walker_name', { schema: Type.Object({}) }, (_message, { user }) => user?.id ?? 'public')
      ws.handle('walker.notify', { schema: Type.Object({ root_id: Type.String(), channel_id: Type.String(), client_id: Type.String() }) }, async (message, { send }) => {
        const progress = { type: 'chat', any_field: 'for_progress', progress: '0%', status: 'started' }
        send({ ...progress, to: 'self' })
        await ws.sendToUser(message.root_id, { ...progress, to: 'user' })
        await ws.sendToChannel(message.channel_id, { ...progress, to: 'channel' })
        await ws.sendToClient(message.client_id, { ...progress, to: 'client' })
      })
    }
  })
}

t.test('jac-cloud clients connect with a token in a header, and browsers without one', async (t) => {
  const server = await startJac(t)
  const headers = { Authorization: `Bearer ${server.token('alice')}` }
  const authenticated = await server.dial('', { token: null, protocols: [], socket: { headers } }).opened()
  t.match(await authenticated.next(), { type: 'connection', data: { client_id: String, user_id: 'alice', channel_id: null } })
  const open = await server.dial('', { token: null, protocols: [] }).opened()
  t.match(await open.next(), { type: 'connection', data: { client_id: String, user_id: null } })
  const closed = await startJac(t, { auth: { anonymous: false } })
  t.equal((await refusal(closed.dial('', { token: null, protocols: [] }))).statusCode, 401, 'public only where the app allows it')
})

t.test('jac-cloud\'s ?channel_id= subscribes at connect if the app allows it', async (t) => {
  const server = await startJac(t, { authorizeSubscribe: (_user, channel) => channel === 'anystring' })
  const client = await server.connect('alice', { path: '/ws?channel_id=anystring' })
  t.match(client.received[0], { type: 'connection', data: { channel_id: 'anystring', channels: ['anystring'] } })
  await server.app.ws.sendToChannel('anystring', { type: 'chat' })
  await client.next('chat')
  t.equal((await refusal(server.dial('alice', { path: '/ws?channel_id=otherstring' }))).statusCode, 403)
})

t.test('a jac-cloud walker event runs the walker, and returns its result with response true', async (t) => {
  const server = await startJac(t)
  const client = await server.connect('alice')
  client.send({ type: 'walker', walker: 'your_event_name', response: true, context: { val: 1 } })
  t.same(await client.next('reply'), { type: 'reply', data: 'Do something 1!' })
  client.send({ type: 'walker', walker: 'your_walker_name', response: true, context: {} })
  t.same(await client.next('reply'), { type: 'reply', data: 'alice' })
  t.match(await server.rest('POST', '/ws/call/walker.your_event_name', { body: { val: 1 } }), { status: 200, body: { data: 'Do something 1!' } })
})

t.test('jac-cloud\'s user, channel and client events reach the named receivers, with from', async (t) => {
  const server = await startJac(t)
  const sender = await server.connect('alice')
  const target = await server.connect('n::672b35cec309e5ef8469c372', { path: '/ws?channel_id=anystring' })
  const stranger = await server.connect('bob')
  const from = { client_id: sender.id, user_id: 'alice' }
  const { data: { user_id: root, channel_id: channel, client_id: client } } = target.received[0]!
  const chat = { type: 'chat', data: { any_field: 'any_value' } }
  const events: Array<[object, object]> = [
    [{ type: 'user', root_ids: [root], data: { val: 1 } }, { type: 'user', val: 1, from }],
    [{ type: 'channel', channel_ids: [channel], data: { val: 1 } }, { type: 'channel', val: 1, from }],
    [{ type: 'client', client_ids: [client], data: { val: 1 } }, { type: 'client', val: 1, from }],
    [{ type: 'client', client_ids: [client], data: chat }, { ...chat, from }],
    [{ type: 'channel', channel_ids: [channel], data: chat }, { ...chat, from }],
    [{ type: 'user', root_ids: [root], data: chat }, { ...chat, from }]
  ]
  for (const [frame, arrives] of events) {
    sender.send(frame)
    t.same(await target.next(({ type }) => type !== 'connection'), arrives)
  }
  await stranger.settled()
  await sender.settled()
  for (const socket of [stranger, sender]) t.same(socket.received.map(({ type }) => type), ['connection', 'pong', 'reply'])
})

t.test('jac-cloud\'s user, channel and client events are denied unless the app allows them', async (t) => {
  const server = await startJac(t, { authorizeSend: undefined })
  const sender = await server.connect('alice')
  const target = await server.connect('bob', { path: '/ws?channel_id=anystring' })
  const frames = [
    { type: 'user', root_ids: ['bob'], data: { val: 1 } }, { type: 'channel', channel_ids: ['anystring'], data: { val: 1 } },
    { type: 'client', client_ids: [target.id], data: { val: 1 } }
  ]
  for (const frame of frames) {
    sender.send(frame)
    t.match(await sender.next('error'), { code: 'forbidden' })
  }
  await target.settled()
  t.same(target.received.map(({ type }) => type), ['connection', 'pong', 'reply'])
})

t.test('jac-cloud\'s change_user switches between users and the public one, and a bad token changes nothing', async (t) => {
  const server = await startJac(t)
  const client = await server.connect('', { token: null })
  for (const scheme of ['bearer', 'Bearer']) {
    client.send({ type: 'change_user', token: `${scheme} ${server.token(scheme)}` })
    t.match(await client.next('connection'), { data: { client_id: client.id, user_id: scheme } })
  }
  client.send({ type: 'change_user', token: 'bearer {{user\'s token}}' })
  t.match(await client.next('error'), { code: 'unauthorized' })
  client.send({ type: 'connection' })
  t.match(await client.next('connection'), { data: { user_id: 'Bearer' } }, 'never silently public')
  client.send({ type: 'change_user' })
  t.match(await client.next('connection'), { data: { user_id: null } })
  const strict = await startJac(t, { auth: { anonymous: false } })
  const alice = await strict.connect('alice')
  alice.send({ type: 'change_user' })
  t.match(await alice.next('error'), { code: 'unauthorized' }, 'nor where nobody is public')
})

t.test('a jac-cloud walker notifies its own socket, users, channels and clients', async (t) => {
  const server = await startJac(t)
  const caller = await server.connect('alice')
  const byUser = await server.connect('bob')
  const byChannel = await server.connect('carol', { path: '/ws?channel_id=anystring' })
  const byClient = await server.connect('dave')
  caller.send({ type: 'walker', walker: 'notify', response: true, context: { root_id: 'bob', channel_id: 'anystring', client_id: byClient.id } })
  await caller.next('reply')
  for (const [client, to] of [[caller, 'self'], [byUser, 'user'], [byChannel, 'channel'], [byClient, 'client']] as const) {
    await client.settled()
    t.same(client.received.filter(({ type }) => type === 'chat'), [{ type: 'chat', any_field: 'for_progress', progress: '0%', status: 'started', to }])
  }
})

t.test('a jac-cloud connection is addressed by its client_id and client frames in place of its own channel', async (t) => {
  const { port } = await RedisServer.start(t)
  const engine = redis({ host: '127.0.0.1', port })
  const options: WsPluginOptions = { authorizeSend: (_user, { kind }) => kind === 'client' }
  for (const nodes of [[await startApp(t, options)], [await startApp(t, { ...options, engine }), await startApp(t, { ...options, engine })]]) {
    const [here, there] = [nodes[0]!, nodes.at(-1)!]
    const alice = await here.connect('alice')
    const second = await here.connect('alice')
    const bob = await there.connect('bob')
    const { client_id: address, channel_id: channel } = alice.received[0]!.data
    t.equal(channel, null)
    t.match(await bob.request({ type: 'client', client_ids: [address], data: { type: 'chat', text: 'hi' } }), { type: 'reply', data: null })
    const { from, ...told } = await alice.next('chat')
    t.strictSame([told, from], [{ type: 'chat', text: 'hi' }, { client_id: bob.id, user_id: 'bob' }])
    t.match(await alice.request({ type: 'client', client_ids: [from.client_id], data: { type: 'chat', text: 'hello' } }), { type: 'reply' })
    t.match(await bob.next('chat'), { text: 'hello', from: { client_id: address, user_id: 'alice' } })
    for (const frame of [{ type: 'user', user_ids: ['alice'] }, { type: 'channel', channel_ids: [address] }]) {
      t.match(await bob.request({ ...frame, data: {} }), { type: 'error', code: 'forbidden' })
    }
    await alice.close()
    const again = await here.connect('alice')
    t.not(again.id, address, 'it is new on every connect')
    t.match(await bob.request({ type: 'client', client_ids: [address], data: { type: 'chat' } }), { type: 'reply', data: null }, 'which is no receipt')
    for (const socket of [again, second]) {
      await socket.settled()
      t.equal(socket.count('chat'), 0)
    }
  }
  const strict = await startApp(t)
  const client = await strict.connect('alice')
  t.match(await client.request({ type: 'client', client_ids: [client.id], data: {} }), { code: 'forbidden' }, 'unless the app allows it')
})
