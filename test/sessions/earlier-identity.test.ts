import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { MemoryPresenceStore } from '../../lib/engine/memory/presence.js'
import type { WsEvents, HandlerContext, WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { withoutPosition } from '../fixtures/delivery-report.js'
import { Gate } from '../fixtures/gate.js'

const schema = Type.Object({})

/** An app whose handler `hold.on` waits at a gate with its context. */
async function start (t: Test, options: WsPluginOptions = {}) {
  const contexts: HandlerContext[] = []
  const gate = new Gate()
  const server = await startApp(t, { authorizeSubscribe: () => true, channels: { 'present*': { presence: true } }, ...options }, {
    after: ({ ws }) => ws.handle('hold.on', { schema }, async (_message, context) => {
      contexts.push(context)
      await gate.wait()
      return context.user?.id ?? null
    })
  })
  return { server, ws: server.app.ws, contexts, gate }
}

const become = (server: TestApp, user: string) => ({ type: 'change_user', token: server.token(user) })

/** Holds up a method of the presence store until the gate opens; `reached` is when it is first called. */
function holdUp (t: Test, method: 'add' | 'list', gate: Gate, end: () => void = () => {}): void {
  const original = MemoryPresenceStore.prototype[method] as (...args: unknown[]) => Promise<unknown>
  let isFirst = true
  t.intercept(MemoryPresenceStore.prototype, method, {
    value: async function (this: MemoryPresenceStore, ...args: unknown[]) {
      const isHeld = isFirst
      isFirst = false
      const result = await original.apply(this, args)
      if (!isHeld) return result
      await gate.wait()
      end()
      return result
    }
  })
}

t.test('a handler has no effect on its socket by any method after the socket has switched users', async (t) => {
  const { server, ws, contexts, gate } = await start(t)
  const client = await server.connect('alice')
  const failures: Array<WsEvents['message_failed']> = []
  ws.on('message_failed', (event) => { failures.push({ ...event, client: { ...event.client, user: event.client.user } }) })
  client.send({ type: 'hold.on', id: 1 })
  client.send({ type: 'hold.on' })
  await client.settled()
  const [context] = contexts as [HandlerContext]
  const { signal, user, log, reply, send, join, leave } = context
  t.equal(signal.aborted, false)
  await client.request(become(server, 'bob'))
  await client.request({ type: 'subscribe', channel_ids: ['bobs'] })

  const answer = client.received.findIndex(({ id }) => id === 1)
  t.strictSame(client.received[answer], { type: 'error', code: 'identity_changed', id: 1, message: 'The socket switched users before this was done' })
  t.ok(answer < client.received.findLastIndex(({ type }) => type === 'connection'), 'the frame is answered before the new user\'s first frame')
  t.match(failures, [{ user: { id: 'alice' }, client: { user: { id: 'alice' } }, error: { code: 'WSM_ERR_IDENTITY_CHANGED' } }])

  t.equal(signal.aborted, true)
  t.match(signal.reason, { code: 'WSM_ERR_IDENTITY_CHANGED' })
  t.equal(contexts[1]!.signal.aborted, true, 'also where it is asked for only now')
  t.match(contexts[1]!.signal.reason, { code: 'WSM_ERR_IDENTITY_CHANGED' })
  t.equal(user!.id, 'alice')
  t.equal(context.user!.id, 'alice')
  log.info('by the handler')
  t.match(server.logs.at(-1), { msg: 'by the handler', user_id: 'alice', client_id: client.id })
  t.equal(context.client!.user!.id, 'bob', 'the socket itself is as it is now')

  const before = client.received.length
  for (const methods of [{ reply, send, join, leave }, context]) {
    methods.reply('late')
    methods.send({ type: 'app.late' })
    methods.leave('bobs')
    await t.rejects(methods.join('alices'), { code: 'WSM_ERR_IDENTITY_CHANGED' })
  }
  t.throws(() => send({ type: '' }), { code: 'WSM_ERR_INVALID_ARGUMENT' }, 'a bad message is still a mistake')
  gate.open()
  await client.settled()
  t.equal(client.received.length, before + 2, 'nothing but the pong and the reply of the test\'s own ping')
  t.same((await client.request({ type: 'connection' })).data.channels, ['bobs'])
  t.match(await ws.sendToChannel('alices', { type: 'app.x' }), { localRecipients: 0 })
})

t.test('a handler continues when its user refreshes the token', async (t) => {
  const { server, contexts, gate } = await start(t)
  const client = await server.connect('alice')
  client.send({ type: 'hold.on', id: 1 })
  await client.settled()
  await client.request(become(server, 'alice'))
  const [{ signal, join, send, leave }] = contexts as [HandlerContext]
  t.equal(signal.aborted, false)
  await join('room')
  send({ type: 'app.still' })
  await client.next('app.still')
  t.same((await client.request({ type: 'connection' })).data.channels, ['room'])
  leave('room')
  gate.open()
  t.match(await client.next(({ id }) => id === 1), { type: 'reply', data: 'alice' })
  t.same((await client.request({ type: 'connection' })).data.channels, [])
})

t.test('handlers end when their socket switches between anonymous and a user', async (t) => {
  const { server, contexts, gate } = await start(t, { auth: { anonymous: true } })
  const client = await server.connect('', { token: null })
  client.send({ type: 'hold.on', id: 'nobody' })
  await client.request(become(server, 'alice'))
  t.match(client.received.find(({ id }) => id === 'nobody'), { code: 'identity_changed' })
  client.send({ type: 'hold.on', id: 'alice' })
  await client.request({ type: 'change_user' })
  t.match(client.received.find(({ id }) => id === 'alice'), { code: 'identity_changed' })
  client.send({ type: 'hold.on', id: 'nobody again' })
  await client.request({ type: 'change_user' })
  t.same(contexts.map(({ signal }) => signal.aborted), [true, true, false], 'nobody stays nobody')
  gate.open()
  t.match(await client.next(({ id }) => id === 'nobody again'), { type: 'reply', data: null })
})

t.test('all frames in progress get an answer when their socket switches users', async (t) => {
  const { server, gate } = await start(t, { limits: { maxErrorsPerMinute: 2, maxPendingHandlers: 50 } })
  const client = await server.connect('alice')
  for (let id = 0; id < 40; id++) client.send({ type: 'hold.on', id })
  await client.request(become(server, 'bob'))
  t.equal(client.received.filter(({ code }) => code === 'identity_changed').length, 40)
  gate.open()
  await client.settled()
  t.equal(client.received.filter(({ id }) => typeof id === 'number').length, 40, 'one answer each')
})

t.test('a handler\'s result after its socket has switched users is only logged, and not as an error if the handler was aborted', async (t) => {
  const gate = new Gate()
  const server = await startApp(t, {}, {
    after: ({ ws }) => {
      ws.handle('end.failing', { schema }, async () => {
        await gate.wait()
        throw new Error('too late')
      })
      ws.handle('end.stopped', { schema }, async (_message, { signal }) => {
        await gate.wait()
        signal.throwIfAborted()
      })
    }
  })
  const failures: unknown[] = []
  const client = await server.connect('alice')
  client.send({ type: 'end.failing' })
  client.send({ type: 'end.stopped' })
  await client.request(become(server, 'bob'))
  server.app.ws.on('message_failed', ({ user, client, error }) => { failures.push([user?.id, client.user?.id, (error as Error).message]) })
  gate.open()
  await client.settled()
  t.equal(client.count('error'), 0)
  t.match(server.logs.filter(({ msg }) => msg === 'a handler failed after it had answered'), [
    { level: 50, user_id: 'alice', type: 'end.failing', err: { message: 'too late' } },
    { level: 20, user_id: 'alice', type: 'end.stopped', err: { code: 'WSM_ERR_IDENTITY_CHANGED' } }
  ])
  t.match(failures, [['alice', 'bob', 'too late'], ['alice', 'bob', /switched users before this was done/]])
})

t.test('a ws.join() in progress when its socket switches users does not join the next user', async (t) => {
  const gate = new Gate()
  const { server, ws } = await start(t)
  holdUp(t, 'add', gate)
  const joined = new Promise<boolean>((resolve) => {
    ws.on('client_connected', ({ client }) => { resolve(ws.join(client.id, 'present')) })
  })
  const client = await server.connect('alice')
  await gate.reached
  await client.request(become(server, 'bob'))
  gate.open()
  t.equal(await joined, false)
  t.same((await client.request({ type: 'connection' })).data.channels, [])
  t.match(await ws.sendToChannel('present', { type: 'app.x' }), { localRecipients: 0 })
  t.same(await ws.presence('present'), { clients: 0, users: [] })
})

t.test('a join that fails after its socket has switched users does not remove the next user from a channel', async (t) => {
  const gate = new Gate()
  const { server, ws, contexts } = await start(t)
  const client = await server.connect('alice')
  client.send({ type: 'hold.on' })
  await client.settled()
  holdUp(t, 'add', gate, () => { throw new Error('the store is out of reach') })
  const joining = contexts[0]!.join('present')
  await gate.reached
  await client.request(become(server, 'bob'))
  t.equal(await ws.join(client.id, 'present', { userId: 'bob' }), true)
  gate.open()
  await t.rejects(joining, { message: 'the store is out of reach' })
  t.same((await client.request({ type: 'connection' })).data.channels, ['present'])
  t.match(await ws.sendToChannel('present', { type: 'app.x' }), { localRecipients: 1 })
  t.match(await ws.presence('present'), { users: [{ user_id: 'bob' }] })
})

t.test('a join that ends after its socket has switched users keeps the next user in that channel', async (t) => {
  const gate = new Gate()
  const { server, ws, contexts } = await start(t)
  const client = await server.connect('alice')
  client.send({ type: 'hold.on' })
  await client.settled()
  holdUp(t, 'add', gate)
  const joining = contexts[0]!.join('present')
  await gate.reached
  await client.request(become(server, 'bob'))
  t.equal(await ws.join(client.id, 'present'), true)
  gate.open()
  await t.rejects(joining, { code: 'WSM_ERR_IDENTITY_CHANGED' })
  t.match(await ws.sendToChannel('present', { type: 'app.x' }), { localRecipients: 1 })
  await client.settled()
  t.equal(client.count('presence'), 1, 'he is told once who is there')
})

t.test('a presence list requested by a socket\'s earlier user is not sent to its next user', async (t) => {
  const gate = new Gate()
  const { server, ws, contexts } = await start(t)
  const client = await server.connect('alice')
  client.send({ type: 'hold.on' })
  await client.settled()
  holdUp(t, 'list', gate)
  const joining = contexts[0]!.join('present')
  await gate.reached
  await client.request(become(server, 'bob'))
  gate.open()
  await t.rejects(joining, { code: 'WSM_ERR_IDENTITY_CHANGED' })
  await client.settled()
  t.equal(client.count('presence'), 0)
  t.match(await ws.sendToChannel('present', { type: 'app.x' }), { localRecipients: 0 })
})

t.test('a message sent by an abort listener when its socket switches users does not reach the next user', async (t) => {
  const { server, ws, contexts } = await start(t)
  const client = await server.connect('alice')
  client.send({ type: 'hold.on', id: 1 })
  await client.settled()
  const [context] = contexts as [HandlerContext]
  const joined = new Promise<boolean>((resolve) => {
    context.signal.addEventListener('abort', () => {
      context.reply('from the listener')
      context.send({ type: 'app.late' })
      resolve(ws.join(client.id, 'late'))
    })
  })
  await client.request(become(server, 'bob'))
  t.equal(await joined, false)
  await client.settled()
  t.equal(client.count('app.late'), 0)
  t.equal(client.received.filter(({ id }) => id === 1).length, 1)
  t.same((await client.request({ type: 'connection' })).data.channels, [])
})

t.test('join, leave and sendToClient with a userId have no effect on a socket of another user', async (t) => {
  const { server, ws } = await start(t, { auth: { anonymous: true } })
  const client = await server.connect('alice')
  const nobody = await server.connect('', { token: null })
  const message = { type: 'app.x' }
  const tries: Array<[id: string, userId: string | null | undefined, isTheirs: boolean]> = [
    [client.id, 'alice', true], [client.id, undefined, true], [client.id, 'bob', false], [client.id, null, false],
    [nobody.id, null, true], [nobody.id, 'alice', false], ['gone', 'alice', false]
  ]
  for (const [id, userId, isTheirs] of tries) {
    t.equal(await ws.join(id, 'room', { userId }), isTheirs)
    t.equal((await ws.sendToChannel('room', message)).localRecipients, isTheirs ? 1 : 0)
    t.same(await ws.sendToClient(id, message, userId === undefined ? {} : { userId }), { recipients: isTheirs ? 1 : 0 })
    t.match(await ws.sendToClient(id, message, { ...userId !== undefined && { userId }, ack: { timeoutMs: 1, tries: 1 } }), { recipients: isTheirs ? 1 : 0 })
    t.equal(await ws.leave(id, 'room', { userId }), isTheirs)
    await ws.leave(id, 'room')
  }
})

t.test('an acknowledgement by a socket\'s next user does not count for its earlier user', async (t) => {
  const { server, ws } = await start(t)
  const client = await server.connect('alice')
  const report = ws.sendToUser('alice', { type: 'app.asked' }, { ack: { timeoutMs: 300, tries: 1 } })
  const { message_id: messageId } = await client.next('app.asked')
  await client.request(become(server, 'bob'))
  await client.request({ type: 'ack', message_id: messageId })
  t.same(await withoutPosition(report), { localRecipients: 1, acked: [], missing: [client.id] })
})
