import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { Identity } from '../../lib/socket/identity.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'

const schema = Type.Object({})

/** An app that allows every channel, "slow" when its gate opens, and "never" not; `where.am` says who and where one is. */
async function startGated (t: Test, options: WsPluginOptions = {}) {
  const gate = new Gate()
  const authorizeSubscribe = async (_user: unknown, channel: string) => {
    if (channel === 'slow') await gate.wait()
    return channel !== 'never'
  }
  const server = await startApp(t, { authorizeSubscribe, ...options }, {
    after: ({ ws }) => {
      ws.handle('where.am', { schema }, (_message, { client, user }) => ({ user: user?.id, channels: client!.channels }))
      ws.handle('wait.here', { schema }, async (_message, { user }) => {
        await gate.wait()
        return user?.id
      })
    }
  })
  return { server, gate }
}

t.test('a frame behind a subscribe waits until the subscribe is done', async (t) => {
  const { server, gate } = await startGated(t)
  const client = await server.connect('alice')
  client.send({ type: 'subscribe', id: 1, channel_ids: ['slow'] })
  client.send({ type: 'where.am', id: 2 })
  client.send({ type: 'unsubscribe', id: 3, channel_ids: ['slow'] })
  client.send({ type: 'where.am', id: 4 })
  client.send({ type: 'ping' })
  await gate.reached
  const other = await server.connect('alice')
  t.match(await other.request({ type: 'where.am' }), { data: { channels: [] } }, 'another socket of the user does not wait')
  t.same(client.received.map(({ type }) => type), ['connection'], 'nothing overtakes it')
  gate.open()
  await client.next('pong')
  t.equal(client.received.length, 9)
  t.match(client.received.slice(1), [
    { type: 'subscribed', channel: 'slow' },
    { type: 'subscription_confirmed' },
    { type: 'reply', id: 1 },
    { type: 'reply', id: 2, data: { channels: ['slow'] } },
    { type: 'unsubscribed', channel: 'slow' },
    { type: 'reply', id: 3 },
    { type: 'reply', id: 4, data: { channels: [] } },
    { type: 'pong' }
  ])
})

t.test('a frame behind a refused subscribe is handled', async (t) => {
  const { server } = await startGated(t)
  const client = await server.connect('alice')
  client.send({ type: 'subscribe', id: 1, channel_ids: ['never'] })
  client.send({ type: 'subscribe', id: 2, channel_ids: 'wrong' })
  client.send({ type: 'where.am', id: 3 })
  await client.next(({ id }) => id === 3)
  t.equal(client.received.length, 4)
  t.match(client.received.slice(1), [
    { type: 'error', code: 'forbidden', id: 1, details: { channel: 'never' } },
    { type: 'error', code: 'invalid_message', id: 2 },
    { type: 'reply', id: 3, data: { channels: [] } }
  ])
})

t.test('a series of subscribe and unsubscribe ends in the state of the last one', async (t) => {
  const orders: Array<[string[], number]> = [
    [['subscribe', 'unsubscribe'], 0],
    [['unsubscribe', 'subscribe'], 1],
    [['subscribe', 'unsubscribe', 'subscribe'], 1],
    [['subscribe', 'subscribe', 'unsubscribe'], 0],
    [['subscribe', 'unsubscribe', 'unsubscribe', 'subscribe'], 1]
  ]
  for (const [order, recipients] of orders) {
    const { server, gate } = await startGated(t)
    const client = await server.connect('alice')
    for (const type of order) client.send({ type, channel_ids: ['slow'] })
    await gate.reached
    gate.open()
    await client.settled()
    t.match(await server.app.ws.sendToChannel('slow', { type: 'news.flash' }), { localRecipients: recipients }, order.join(' '))
    t.equal(server.app.ws.getStatus().channels, recipients)
    t.same((await client.request({ type: 'where.am' })).data.channels, recipients === 1 ? ['slow'] : [])
    await client.settled()
    t.equal(client.count('news.flash'), recipients)
  }
})

t.test('a socket that closes while its subscribe is decided leaves nothing behind', async (t) => {
  const { server, gate } = await startGated(t)
  const gone = new Promise((resolve) => { server.app.ws.on('client_disconnected', resolve) })
  const answered = new Promise<void>((resolve) => { server.app.ws.on('message_received', ({ message }) => { if (message.type === 'where.am') resolve() }) })
  const client = await server.connect('alice')
  client.send({ type: 'subscribe', channel_ids: ['slow'] })
  client.send({ type: 'where.am' })
  await gate.reached
  client.socket.terminate()
  await gone
  gate.open()
  await answered
  t.match(await server.app.ws.sendToChannel('slow', { type: 'news.flash' }), { localRecipients: 0 })
  t.match(server.app.ws.getStatus(), { active_connections: 0, channels: 0, users: 0 })
})

t.test('a slow handler delays neither other frames of its socket nor other sockets', async (t) => {
  const { server, gate } = await startGated(t)
  const client = await server.connect('alice')
  const other = await server.connect('bob')
  client.send({ type: 'wait.here', id: 'slow' })
  await gate.reached
  t.match(await client.request({ type: 'where.am' }), { data: { user: 'alice' } })
  t.match(await client.request({ type: 'subscribe', channel_ids: ['a'] }), { type: 'reply' })
  t.match(await client.request({ type: 'where.am' }), { data: { channels: ['a'] } })
  t.match(await other.request({ type: 'where.am' }), { data: { user: 'bob' } })
  t.equal(client.received.filter(({ id }) => id === 'slow').length, 0)
  gate.open()
  t.match(await client.next(({ id }) => id === 'slow'), { type: 'reply', data: 'alice' })
})

t.test('a frame behind an auth frame waits for it, and a frame before it does not', async (t) => {
  const { server } = await startGated(t, { auth: { firstFrame: true } })
  const client = await server.dial('alice', { token: null }).opened()
  client.send({ type: 'where.am', id: 1 })
  client.send({ type: 'ping', id: 2 })
  client.send({ type: 'auth', id: 3, token: server.token('alice') })
  client.send({ type: 'subscribe', id: 4, channel_ids: ['a'] })
  client.send({ type: 'where.am', id: 5 })
  await client.next(({ id }) => id === 5)
  const answers = client.received.filter(({ id }) => id !== undefined)
  t.equal(answers.length, 5)
  t.match(answers, [
    { id: 1, type: 'error', code: 'unauthorized' },
    { id: 2, type: 'reply' },
    { id: 3, type: 'reply' },
    { id: 4, type: 'reply' },
    { id: 5, type: 'reply', data: { user: 'alice', channels: ['a'] } }
  ])
})

t.test('a message belongs to its socket\'s user at the time it was read, whoever the socket switches to', async (t) => {
  const { server, gate } = await startGated(t)
  const client = await server.connect('alice')
  client.send({ type: 'wait.here', id: 1 })
  client.send({ type: 'change_user', id: 2, token: server.token('bob') })
  client.send({ type: 'where.am', id: 3 })
  t.match(await client.next(({ id }) => id === 3), { data: { user: 'bob' } })
  const told = client.received.findIndex(({ id }) => id === 1)
  t.match(client.received[told], { type: 'error', code: 'identity_changed' })
  t.ok(told < client.received.findLastIndex(({ type }) => type === 'connection'), 'before the new user\'s first frame')
  gate.open()
  await client.settled()
  t.equal(client.received.filter(({ id }) => id === 1).length, 1, 'what it comes to is not the next user\'s')
})

t.test('frames that arrive in the packet of the upgrade are read first', async (t) => {
  const { server, gate } = await startGated(t)
  const client = await RawClient.to(t, server)
  const subscribe = maskedFrame(opcodes.text, '{"type":"subscribe","channel_ids":["slow"]}')
  client.upgrade('/ws', { authorization: `Bearer ${server.token('alice')}` }, subscribe)
  await client.response()
  t.match(JSON.parse((await client.frame()).payload.toString()), { type: 'connection' })
  await gate.reached
  client.send(opcodes.text, '{"type":"where.am","id":1}')
  // A WebSocket ping is answered at once and in order: what was sent before it has been read.
  client.send(opcodes.ping)
  t.equal((await client.frame()).opcode, opcodes.pong, 'nothing overtakes the subscribe')
  gate.open()
  const types = []
  for (let i = 0; i < 3; i++) types.push(JSON.parse((await client.frame()).payload.toString()))
  t.match(types, [{ type: 'subscribed' }, { type: 'subscription_confirmed' }, { type: 'reply', id: 1, data: { channels: ['slow'] } }])
})

t.test('a client that sends faster than it gets answers keeps its socket', async (t) => {
  const { server, gate } = await startGated(t, { limits: { maxPendingHandlers: 2, maxErrorsPerMinute: 3 } })
  const client = await server.connect('alice')
  const asked = [1, 2, 3, 4, 5, 6, 7, 8]
  for (const id of asked) client.send({ type: 'wait.here', id })
  for (const id of asked.slice(2)) t.match(await client.next((frame) => frame.id === id), { type: 'error', code: 'too_many_pending' })
  gate.open()
  for (const id of asked.slice(0, 2)) t.match(await client.next((frame) => frame.id === id), { type: 'reply' })
})

t.test('a frame beyond limits.maxPendingHandlers frames in progress is refused', async (t) => {
  const { server, gate } = await startGated(t, { limits: { maxPendingHandlers: 2 } })
  const client = await server.connect('alice')
  const other = await server.connect('bob')
  client.send({ type: 'wait.here', id: 1 })
  client.send({ type: 'wait.here', id: 2 })
  client.send({ type: 'wait.here', id: 3 })
  t.match(await client.next('error'), { code: 'too_many_pending', id: 3 })
  t.match(await other.request({ type: 'where.am' }), { type: 'reply' })
  gate.open()
  await client.next(({ id }) => id === 1)
  await client.next(({ id }) => id === 2)
  t.match(await client.request({ type: 'wait.here' }), { type: 'reply', data: 'alice' })
})

t.test('frames that wait behind a subscribe count as in progress', async (t) => {
  const { server, gate } = await startGated(t, { limits: { maxPendingHandlers: 2 } })
  const client = await server.connect('alice')
  client.send({ type: 'subscribe', id: 1, channel_ids: ['slow'] })
  await gate.reached
  client.send({ type: 'where.am', id: 2 })
  client.send({ type: 'where.am', id: 3 })
  t.match(await client.next('error'), { code: 'too_many_pending', id: 3 })
  gate.open()
  t.match(await client.next(({ id }) => id === 2), { type: 'reply' })
  t.match(await client.request({ type: 'where.am' }), { type: 'reply' })
})

t.test('the identity of a socket keeps no frame that was answered later', async (t) => {
  const begun = t.capture(Identity.prototype, 'begin', Identity.prototype.begin)
  const finished = t.capture(Identity.prototype, 'finish', Identity.prototype.finish)
  const server = await startApp(t, {}, {
    after: ({ ws }) => {
      ws.handle('late.reply', { schema }, async () => 'done')
      ws.handle('late.fault', { schema }, async () => { throw new Error('late') })
    }
  })
  const alice = await server.connect('alice')
  t.match(await alice.request({ type: 'late.reply' }), { type: 'reply', data: 'done' })
  t.match(await alice.request({ type: 'late.fault' }), { type: 'error', code: 'internal' })
  const ended = finished().map(({ args: [frame] }) => frame)
  const frames = begun().map(({ args: [frame] }) => frame)
  t.equal(frames.length, 2)
  for (const frame of frames) t.ok(ended.includes(frame))
})

t.test('more acknowledgements than may wait are taken while a subscribe is in progress', async (t) => {
  const { server, gate } = await startGated(t, { limits: { maxPendingHandlers: 2 } })
  const client = await server.connect('alice')
  const { ws } = server.app
  const sent = [1, 2, 3, 4].map((n) => ws.sendToUser('alice', { type: 'app.mail', n }, { ack: { timeoutMs: 10_000, tries: 1 } }))
  const ids = []
  for (let n = 0; n < sent.length; n++) ids.push((await client.next('app.mail')).message_id)
  client.send({ type: 'subscribe', id: 1, channel_ids: ['slow'] })
  await gate.reached
  for (const id of ids) client.send({ type: 'ack', message_id: id })
  t.match((await Promise.all(sent.slice(2))).map(({ acked }) => acked!.length), [1, 1], 'those for which there is no room are read at once')
  gate.open()
  t.match((await Promise.all(sent)).map(({ acked }) => acked!.length), [1, 1, 1, 1])
  t.equal(client.count('error'), 0)
})

t.test('a thrown value that cannot even be looked at is answered as internal, by socket and by REST', async (t) => {
  const { proxy, revoke } = Proxy.revocable(new Error('x'), {})
  revoke()
  const server = await startApp(t, {}, { after: ({ ws }) => { ws.handle('app.fails', { schema, rest: true }, () => Promise.reject(proxy)) } })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'app.fails' }), { type: 'error', code: 'internal' })
  t.match(await client.request({ type: 'app.fails', idempotency_key: 'once' }), { type: 'error', code: 'internal' })
  const { status } = await server.rest('POST', '/ws/call/app.fails', { as: 'alice', body: {} })
  t.equal(status, 500)
})
