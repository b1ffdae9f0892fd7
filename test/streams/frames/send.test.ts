import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { SendTarget, WsPluginOptions } from '../../../lib/index.js'
import { serverFrameTypes } from '../../../schemas/frames/types.js'
import { startApp, type AppOptions } from '../../fixtures/app.js'
import { Gate } from '../../fixtures/gate.js'

/** An app with alice, two sockets of bob, and carol, who is in the channel "room" with one of bob's. */
async function startParty (t: Test, options: WsPluginOptions = {}, more: AppOptions = {}) {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 1_000 }, ...options }, more)
  const alice = await server.connect('alice')
  const bob = await server.connect('bob')
  const bob2 = await server.connect('bob')
  const carol = await server.connect('carol')
  await server.app.ws.join(bob.id, 'room')
  await server.app.ws.join(carol.id, 'room')
  /** What each has got of a type, as [alice, bob, bob2, carol]. */
  const counts = async (type: string) => {
    const clients = [alice, bob, bob2, carol]
    for (const client of clients) await client.settled()
    return clients.map((client) => client.count(type))
  }
  return { server, alice, bob, bob2, carol, counts }
}

const allow = { authorizeSend: () => true }

t.test('user, channel and client frames are refused unless the app allows them', async (t) => {
  const hooks: Array<[string, WsPluginOptions, string]> = [
    ['without a hook', {}, 'forbidden'],
    ['a hook that says no', { authorizeSend: () => false }, 'forbidden'],
    ['a hook that says something else', { authorizeSend: () => 'yes' as unknown as boolean }, 'forbidden'],
    ['a hook that throws', { authorizeSend: () => { throw new Error('hunter2') } }, 'unavailable'],
    ['a hook that rejects', { authorizeSend: async () => { throw new Error('hunter2') } }, 'unavailable']
  ]
  for (const [name, options, code] of hooks) {
    const { alice, bob, counts } = await startParty(t, options)
    const data = { type: 'chat.message' }
    for (const frame of [{ type: 'user', user_ids: ['bob'] }, { type: 'channel', channel_ids: ['room'] }, { type: 'client', client_ids: [bob.id] }]) {
      const error = await alice.request({ ...frame, data })
      t.match(error, { type: 'error', code }, `${name}: ${frame.type}`)
      t.notMatch(JSON.stringify(error), /hunter2/)
    }
    t.same(await counts('chat.message'), [0, 0, 0, 0])
  }
})

t.test('allowed user, channel and client frames reach exactly their receivers, with from', async (t) => {
  const { alice, bob, bob2, carol, counts } = await startParty(t, allow)
  const from = { client_id: alice.id, user_id: 'alice' }
  alice.send({ type: 'user', user_ids: ['bob', 'nobody'], data: { text: 'hi' } })
  for (const client of [bob, bob2]) t.same(await client.next('user'), { type: 'user', text: 'hi', from })
  t.same(await counts('user'), [0, 1, 1, 0])
  alice.send({ type: 'user', root_ids: ['bob'], data: { type: 'chat', n: 1 } })
  for (const client of [bob, bob2]) t.same(await client.next('chat'), { type: 'chat', n: 1, from })
  alice.send({ type: 'channel', channel_ids: ['room', 'empty'], data: { text: 'all' } })
  for (const client of [bob, carol]) t.same(await client.next('channel'), { type: 'channel', text: 'all', from })
  t.same(await counts('channel'), [0, 1, 0, 1])
  alice.send({ type: 'client', client_ids: [bob2.id, alice.id, 'gone'], data: {} })
  for (const client of [bob2, alice]) t.same(await client.next('client'), { type: 'client', from })
  t.same(await counts('client'), [1, 0, 1, 0])
  t.same(await alice.request({ type: 'client', client_ids: ['gone'], data: {} }).then(({ type, data }) => [type, data]), ['reply', null])
})

t.test('with echo false the sender does not receive its own message, but its user\'s other sockets do', async (t) => {
  const { bob, carol, counts } = await startParty(t, allow)
  await bob.request({ type: 'channel', channel_ids: ['room'], data: { text: 'hi' }, echo: false })
  await bob.request({ type: 'user', user_ids: ['bob'], data: { text: 'hi' }, echo: false })
  await carol.request({ type: 'channel', channel_ids: ['room'], data: { text: 'hi' }, echo: true })
  t.same(await counts('channel'), [0, 1, 0, 2])
  t.same(await counts('user'), [0, 0, 1, 0])
})

t.test('a receiver named twice in one frame gets the message once', async (t) => {
  const { alice, bob, counts } = await startParty(t, allow)
  await alice.request({ type: 'user', user_ids: ['bob', 'bob'], data: {} })
  await alice.request({ type: 'channel', channel_ids: ['room', 'room'], data: {} })
  await alice.request({ type: 'client', client_ids: [bob.id, bob.id], data: {} })
  t.same(await counts('user'), [0, 1, 1, 0])
  t.same(await counts('channel'), [0, 1, 0, 1])
  t.same(await counts('client'), [0, 1, 0, 0])
})

t.test('authorizeSend is called for every receiver with the final message, and one refusal stops all sends', async (t) => {
  const asked: Array<[string | undefined, SendTarget]> = []
  const { alice, counts } = await startParty(t, {
    authorizeSend: async (user, target) => {
      asked.push([user?.id, target])
      return target.id !== 'carol'
    }
  })
  const data = { type: 'chat', text: 'hi', from: 'the server', stream: 1 }
  t.match(await alice.request({ type: 'user', user_ids: ['bob', 'carol', 'dave'], data }), { code: 'forbidden', message: /user "carol"/ })
  const message = { type: 'chat', text: 'hi', from: { client_id: alice.id, user_id: 'alice' } }
  t.same(asked, [['alice', { kind: 'user', id: 'bob', data: message }], ['alice', { kind: 'user', id: 'carol', data: message }]])
  t.same(await counts('chat'), [0, 0, 0, 0])
})

t.test('a client\'s message cannot pose as a frame of the server or of another user', async (t) => {
  const { alice, bob, bob2, carol } = await startParty(t, allow)
  const data = { stream: { topic: 'all' }, from: { user_id: 'admin' }, message_id: 'x', requires_ack: true, text: 'hi' }
  await alice.request({ type: 'user', user_ids: ['bob'], data })
  t.same(await bob.next('user'), { type: 'user', text: 'hi', from: { client_id: alice.id, user_id: 'alice' } })
  const types = [...serverFrameTypes, 'ping', 'auth', 'confirm', 'cancel', 'walker', 'channel', 'client']
  for (const type of types) {
    const answer = await alice.request({ type: 'user', user_ids: ['bob'], data: { type } })
    t.match(answer, { code: 'invalid_message', details: [{ path: '/data/type' }] }, type)
  }
  t.match(await alice.request({ type: 'user', user_ids: ['bob'], data: { type: 'user' } }), { type: 'reply' }, 'its own type is what it has anyway')
  for (const client of [bob, bob2, carol]) await client.settled()
  const arrived = [bob, bob2, carol].map((client) => client.received.map(({ type }) => type))
  const own = ['connection', 'user', 'user', 'pong', 'reply']
  t.same(arrived, [own, own, ['connection', 'pong', 'reply']])
})

t.test('a frame to others whose data is no message is refused', async (t) => {
  const { alice, counts } = await startParty(t, allow)
  for (const type of ['', 1, null, {}, 'x'.repeat(129)]) {
    t.match(await alice.request({ type: 'user', user_ids: ['bob'], data: { type } }), { code: 'invalid_message', details: [{ path: '/data/type' }] })
  }
  for (const data of [undefined, null, 'text', [1], 5]) {
    t.match(await alice.request({ type: 'channel', channel_ids: ['room'], data }), { code: 'invalid_message', details: [{ path: '/data' }] })
  }
  const bad: object[] = [
    { type: 'user', data: {} }, { type: 'user', user_ids: [], data: {} }, { type: 'user', user_ids: 'bob', data: {} },
    { type: 'user', user_ids: [1], data: {} }, { type: 'user', root_ids: [''], data: {} },
    { type: 'user', user_ids: ['bob'], root_ids: ['carol'], data: {} },
    { type: 'user', user_ids: Array.from({ length: 101 }, (_, i) => `u${i}`), data: {} },
    { type: 'channel', data: {} }, { type: 'client', client_ids: ['x'.repeat(65)], data: {} }, { type: 'client', user_ids: ['bob'], data: {} }
  ]
  for (const frame of bad) t.match(await alice.request(frame), { code: 'invalid_message' }, JSON.stringify(frame).slice(0, 60))
  t.same(await counts('user'), [0, 0, 0, 0])
  t.same(await counts('channel'), [0, 0, 0, 0])
})

t.test('a message of a declared type must match its schema, even from a client', async (t) => {
  const { alice, bob } = await startParty(t, allow, {
    after: ({ ws }) => ws.declare('chat.message', Type.Object({ type: Type.Literal('chat.message'), text: Type.String() }, { additionalProperties: false }))
  })
  const send = (data: object) => alice.request({ type: 'user', user_ids: ['bob'], data })
  t.match(await send({ type: 'chat.message', text: 1 }), { code: 'invalid_message', details: [{ path: '/data/text', message: 'Expected string' }] })
  t.match(await send({ type: 'chat.message', text: 'x', extra: 1 }), { code: 'invalid_message', details: [{ path: '/data/extra' }] })
  t.match(await send({ type: 'chat.message', text: 'good' }), { type: 'reply' })
  t.match(await bob.next('chat.message'), { text: 'good', from: { user_id: 'alice' } })
  await bob.settled()
  t.equal(bob.count('chat.message'), 1)
})

t.test('messages of a client that no longer fit into its share of the histories are counted', async (t) => {
  const { server, alice } = await startParty(t, { ...allow, history: { maxBytesPerSender: 300 } })
  for (let n = 0; n < 5; n++) t.match(await alice.request({ type: 'channel', channel_ids: ['room'], data: { n } }), { type: 'reply' })
  t.ok(server.app.ws.getStatus().rejected.history_per_sender > 0)
})

t.test('an anonymous socket can send to others if the app allows it, with from.user_id null', async (t) => {
  const { server, bob } = await startParty(t, { auth: { anonymous: true }, authorizeSend: (user, { kind }) => user === null && kind === 'user' })
  const nobody = await server.connect('nobody', { token: null })
  t.match(await nobody.request({ type: 'channel', channel_ids: ['room'], data: {} }), { code: 'forbidden' })
  await nobody.request({ type: 'user', user_ids: ['bob'], data: {} })
  t.same(await bob.next('user'), { type: 'user', from: { client_id: nobody.id, user_id: null } })
})

t.test('a message keeps its sender when the socket switches users while the app is asked', async (t) => {
  const gate = new Gate()
  const asked: Array<string | undefined> = []
  const { server, alice, bob } = await startParty(t, {
    authorizeSend: async (user) => {
      asked.push(user?.id)
      await gate.wait()
      return true
    }
  })
  alice.send({ type: 'user', user_ids: ['bob', 'carol'], data: {} })
  await gate.reached
  await alice.request({ type: 'change_user', token: server.token('mallory') })
  gate.open()
  t.match(await bob.next('user'), { from: { user_id: 'alice' } })
  t.same(asked, ['alice', 'alice'])
})

t.test('the receivers get no field that the declared schema does not name', async (t) => {
  const Said = Type.Object({ text: Type.String(), by: Type.Optional(Type.Object({ name: Type.String() })) })
  const schemas = { 'chat.said': Said, 'chat.either': Type.Union([Said, Type.Object({ at: Type.Number() })]), 'chat.json': JSON.parse(JSON.stringify(Said)) }
  const { alice, bob, carol } = await startParty(t, allow, {
    after: ({ ws }) => { for (const [type, schema] of Object.entries(schemas)) ws.declare(type, schema) }
  })
  const from = { client_id: alice.id, user_id: 'alice' }
  for (const type of Object.keys(schemas)) {
    const data = { type, text: 'hi', by: { name: 'a', role: 'admin' }, is_admin: true }
    for (const frame of [{ type: 'channel', channel_ids: ['room'] }, { type: 'user', user_ids: ['bob'] }, { type: 'client', client_ids: [bob.id] }]) {
      t.match(await alice.request({ ...frame, data }), { type: 'reply' })
      const { stream: _stream, ...received } = await bob.next(type)
      t.strictSame(received, { type, text: 'hi', by: { name: 'a' }, from }, `${type} by ${frame.type}`)
    }
    const { stream: _stream, ...received } = await carol.next(type)
    t.strictSame(received, { type, text: 'hi', by: { name: 'a' }, from }, type)
    t.match(await alice.request({ type: 'user', user_ids: ['bob'], data: { type, text: 1 } }), { code: 'invalid_message', details: [{ path: /^\/data/ }] })
  }
})
