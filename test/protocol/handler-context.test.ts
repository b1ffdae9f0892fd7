import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { HandlerContext, WsManager } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { event, type TestClient } from '../fixtures/client.js'
import { Gate } from '../fixtures/gate.js'

const schema = Type.Object({})

t.test('context.send reaches the socket of the message and no other', async (t) => {
  const server = await startApp(t, {}, {
    after: ({ ws }) => ws.handle('tell.me', { schema }, (_message, { send }) => send({ type: 'told.you', n: 1 }))
  })
  const client = await server.connect('alice')
  const other = await server.connect('alice')
  await client.request({ type: 'tell.me' })
  t.same(await client.next('told.you'), { type: 'told.you', n: 1 })
  await other.settled()
  t.equal(other.count('told.you'), 0)
})

t.test('an invalid context.send is answered with internal, without the reason', async (t) => {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 2 } }, {
    after: ({ ws }) => {
      ws.declare('strict.news', Type.Object({ type: Type.Literal('strict.news'), text: Type.String() }, { additionalProperties: false }))
      ws.handle('send.reserved', { schema }, (_message, { send }) => send({ type: 'x.y', from: { user_id: 'admin' } }))
      ws.handle('send.undeclared', { schema }, (_message, { send }) => send({ type: 'strict.news', secret: 1 }))
      ws.handle('send.cycle', { schema }, (_message, { send }) => {
        const message: Record<string, unknown> = { type: 'x.y' }
        message.self = message
        send(message)
      })
      ws.handle('send.broadcast', { schema }, () => ws.broadcast({ type: '' }))
    }
  })
  const client = await server.connect('alice')
  for (const type of ['send.reserved', 'send.undeclared', 'send.cycle', 'send.broadcast']) {
    const error = await client.request({ type })
    t.match(error, { type: 'error', code: 'internal', message: 'The server could not process this' }, type)
    t.notOk('details' in error)
    t.match(server.logs.at(-1), { level: 50, msg: 'a handler failed', type, err: { code: 'WSM_ERR_INVALID_ARGUMENT' } })
  }
})

t.test('context.join and context.leave move the socket without asking authorizeSubscribe', async (t) => {
  const server = await startApp(t, { limits: { maxChannelsPerConnection: 1 }, authorizeSubscribe: () => { throw new Error('is asked') } }, {
    after: ({ ws }) => ws.handle('room.move', { schema: Type.Object({ to: Type.Optional(Type.String()), from: Type.Optional(Type.String()) }) },
      async ({ to, from }, { client, join, leave }) => {
        if (from !== undefined) leave(from)
        if (to !== undefined) await join(to)
        return client!.channels
      })
  })
  const { ws } = server.app
  const client = await server.connect('alice')
  t.same((await client.request({ type: 'room.move', to: 'a' })).data, ['a'])
  t.same((await client.request({ type: 'room.move', to: 'a' })).data, ['a'], 'twice is harmless')
  t.match(await ws.sendToChannel('a', { type: 'news.flash' }), { localRecipients: 1 })
  t.match(await client.request({ type: 'room.move', to: 'b' }), { type: 'error', code: 'too_many_channels' })
  t.same((await client.request({ type: 'room.move', from: 'a', to: 'b' })).data, ['b'])
  t.same((await client.request({ type: 'room.move', from: 'a' })).data, ['b'], 'leaving a channel that one is not in is harmless')
  t.match(await ws.sendToChannel('a', { type: 'news.flash' }), { localRecipients: 0 })
  t.match(await ws.sendToChannel('b', { type: 'news.flash' }), { localRecipients: 1 })
  t.equal(client.count('subscribed') + client.count('unsubscribed'), 0, 'what the app does is not announced')
})

t.test('the context\'s signal fires when the socket ends, however it ends', async (t) => {
  const ends: Array<[string, (client: TestClient & { id: string }, ws: WsManager) => unknown]> = [
    ['closed by the client', (client) => client.socket.close()],
    ['cut', (client) => client.socket.terminate()],
    ['disconnected by the app', (client, ws) => ws.disconnect(client.id)],
    ['closed for its errors', (client) => client.socket.send('no JSON')]
  ]
  for (const [name, end] of ends) {
    const contexts: HandlerContext[] = []
    const server = await startApp(t, { limits: { maxErrorsPerMinute: 1 } }, {
      after: ({ ws }) => ws.handle('wait.end', { schema }, async (_message, context) => { contexts.push(context) })
    })
    const client = await server.connect('alice')
    const other = await server.connect('alice')
    await other.request({ type: 'wait.end' })
    await client.request({ type: 'wait.end' })
    const [of, mine] = contexts.map(({ signal }) => signal)
    t.equal(mine!.aborted, false)
    const fired = event(mine as unknown as NodeJS.EventEmitter, 'abort')
    await end(client, server.app.ws)
    await fired
    t.equal(mine!.aborted, true, name)
    t.equal(of!.aborted, false, 'another socket of the user goes on')
    contexts[1]!.send({ type: 'too.late' })
    await contexts[1]!.join('too-late')
    t.match(await server.app.ws.sendToChannel('too-late', { type: 'news.flash' }), { localRecipients: 0 }, 'a socket that is gone joins nothing')
  }
})

t.test('a handler that starts after its socket has ended finds the signal fired', async (t) => {
  const gate = new Gate()
  const handled = new Gate()
  const aborted: boolean[] = []
  const server = await startApp(t, { authorizeSubscribe: () => gate.wait().then(() => true) }, {
    after: ({ ws }) => ws.handle('wait.end', { schema }, (_message, { signal }) => {
      aborted.push(signal.aborted)
      handled.wait()
    })
  })
  const gone = new Promise((resolve) => { server.app.ws.on('client_disconnected', resolve) })
  const client = await server.connect('alice')
  client.send({ type: 'subscribe', channel_ids: ['a'] })
  client.send({ type: 'wait.end' })
  await gate.reached
  client.socket.terminate()
  await gone
  gate.open()
  await handled.reached
  t.same(aborted, [true])
})

t.test('the context\'s log names the socket and the user', async (t) => {
  const server = await startApp(t, {}, {
    after: ({ ws }) => ws.handle('write.log', { schema }, (_message, { log }) => log.info('written by a handler'))
  })
  const client = await server.connect('alice')
  await client.request({ type: 'write.log' })
  await client.request({ type: 'change_user', token: server.token('bob') })
  await client.request({ type: 'write.log' })
  const lines = server.logs.filter(({ msg }) => msg === 'written by a handler')
  t.match(lines, [{ client_id: client.id, user_id: 'alice' }, { client_id: client.id, user_id: 'bob' }])
})

t.test('context.client shows the current state of the socket', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true }, authorizeSubscribe: () => true }, {
    after: ({ ws }) => ws.handle('who.am', { schema }, (_message, { client, user }) => {
      const { id, channels, ip, connectedAt, rttMs } = client!
      return { id, user: user?.id ?? null, same: client!.user === user, channels, ip, connectedAt, rttMs }
    })
  })
  const before = Date.now()
  const client = await server.connect('nobody', { token: null })
  await client.request({ type: 'subscribe', channel_ids: ['a'] })
  const { data } = await client.request({ type: 'who.am' })
  t.match(data, { id: client.id, user: null, same: true, channels: ['a'], ip: '127.0.0.1', rttMs: null })
  t.ok(data.connectedAt >= before && data.connectedAt <= Date.now())
  await client.request({ type: 'auth', token: server.token('alice') })
  t.match((await client.request({ type: 'who.am' })).data, { id: client.id, user: 'alice', same: true })
})
