import { setImmediate, setTimeout } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { Confirmations } from '../../lib/confirmations/confirmations.js'
import { MemoryConfirmationStore } from '../../lib/engine/memory/confirmations.js'
import { SECRET, startApp, type AppOptions } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { LateBodies } from '../fixtures/late-body.js'
import { askStored, questionRead } from '../fixtures/questions.js'
import { refusal } from '../fixtures/refusal.js'
import { forge } from '../fixtures/tokens.js'

const schema = Type.Object({})
const token = (fields: object = {}) => forge({ sub: 'admin', roles: ['ws:admin'], iat: Math.floor(Date.now() / 1000) - 10, jti: 'laptop', ...fields })
const bearer = (of = token()) => ({ authorization: `Bearer ${of}` })

t.test('a REST request is re-checked when its body has arrived, and has no effect if its token was revoked', async (t) => {
  const bodies = new LateBodies()
  const called: string[] = []
  const server = await startApp(t, {}, {
    ...bodies, after: ({ ws }) => ws.handle('app.act', { schema, rest: true }, () => { called.push('app.act') })
  })
  const alice = await server.connect('alice')
  const { id } = await askStored(server, 'admin')
  const message = { message: { type: 'app.news' } }
  const requests: [path: string, body: object][] = [
    ['/ws/broadcast', message], ['/ws/users/alice/messages', message], ['/ws/channels/room/messages', message], [`/ws/clients/${alice.id}/messages`, message],
    [`/ws/confirmations/${id}`, { proceed: true }], ['/ws/tickets', {}], ['/ws/revocations', { user_id: 'alice' }], ['/ws/call/app.act', {}]
  ]
  const late: (() => Promise<{ status: number, body: Record<string, unknown> }>)[] = []
  for (const [path, body] of requests) late.push(await bodies.head(server.origin, path, body, bearer()))
  t.match(await server.app.ws.revoke({ jti: 'laptop' }), { complete: true, missing: [] })
  for (const [n, send] of late.entries()) t.match(await send(), { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED', message: 'The token has been revoked' } }, requests[n]![0])
  await alice.settled()
  t.equal(alice.count('app.news'), 0)
  t.same(called, [])
  t.match(await server.app.ws.confirmations.get(id), { status: 'pending' })
})

t.test('a request whose token expires before its body arrives is refused, unless the app had accepted the expired token', async (t) => {
  const bodies = new LateBodies()
  const before = (app: FastifyInstance) => {
    app.decorate('jwt', {} as never)
    bodies.before(app)
  }
  const server = await startApp(t, { jwt: undefined, authenticate: ({ headers }) => ({ id: 'admin', claims: { roles: 'ws:admin' }, expiresAt: Number(headers['x-expires']) }) }, { before })
  const expiresAt = Date.now() + 300
  const send = await bodies.head(server.origin, '/ws/broadcast', { message: { type: 'app.news' } }, { 'x-expires': expiresAt })
  while (Date.now() <= expiresAt) await setTimeout(5)
  t.match(await send(), { status: 401, body: { message: 'The token has expired' } })
  const tolerant = await startApp(t, { jwt: { secret: SECRET, verify: { clockTolerance: 3_600_000 } } })
  const old = tolerant.token('admin', { roles: ['ws:admin'], exp: Math.floor(Date.now() / 1000) - 60 })
  t.match(await tolerant.rest('POST', '/ws/broadcast', { as: null, headers: bearer(old), body: { message: { type: 'app.news' } } }), { status: 200 })
})

t.test('revoke() resolves only when the requests in progress of the token have ended', async (t) => {
  const [gate, done] = [new Gate(), new Gate()]
  const signals: AbortSignal[] = []
  const server = await startApp(t, {}, {
    after: ({ ws }) => ws.handle('app.slow', { schema, rest: true }, async (_message, { signal }) => {
      signals.push(signal)
      await gate.wait()
      done.wait()
      return 'done'
    })
  })
  const answer = server.rest('POST', '/ws/call/app.slow', { as: null, headers: bearer(), body: {} })
  await gate.reached
  let isRevoked = false
  const revoked = server.app.ws.revoke({ jti: 'laptop' }).finally(() => { isRevoked = true })
  while (signals[0]!.aborted === false) await setImmediate()
  for (let turn = 0; turn < 50; turn++) await setImmediate()
  t.equal(isRevoked, false, 'the handler is told, and waited for')
  gate.open()
  t.match(await revoked, { complete: true, missing: [] })
  await done.reached
  t.match(await answer, { status: 200, body: { data: 'done' } })
})

t.test('revoke() stops waiting for a slow request, and reports its node as missing', async (t) => {
  const gate = new Gate()
  const server = await startApp(t, {}, { after: ({ ws }) => ws.handle('app.slow', { schema, rest: true }, () => gate.wait()) })
  const answer = server.rest('POST', '/ws/call/app.slow', { as: null, headers: bearer(), body: {} })
  await gate.reached
  const others = server.rest('POST', '/ws/call/app.slow', { as: 'bob', body: {} })
  t.match(await server.app.ws.revoke({ userId: 'admin' }), { complete: false, missing: [server.app.ws.getStatus().node_id] })
  gate.open()
  await Promise.all([answer, others])
})

t.test('revoke() called in requests of the revoked token does not wait for those requests', async (t) => {
  const both = new Gate()
  let waiting = 0
  const server = await startApp(t, {}, {
    after: ({ ws }) => {
      ws.handle('app.leave', { schema, rest: true }, async () => (await ws.revoke({ jti: 'laptop' })).complete)
      ws.handle('app.meet', { schema, rest: true }, async () => {
        if (++waiting === 2) both.open()
        await both.wait()
        return (await ws.revoke({ jti: 'laptop' })).complete
      })
    }
  })
  const call = (path: string, body: object = {}) => server.rest('POST', path, { as: null, headers: bearer(), body })
  const startedAt = performance.now()
  const meeting = await Promise.all([call('/ws/call/app.meet'), call('/ws/call/app.meet')])
  for (const answer of meeting) t.match(answer, { status: 200, body: { data: true } })
  t.match(await server.rest('POST', '/ws/call/app.leave', { as: null, headers: bearer(token({ jti: 'phone' })), body: {} }), { status: 200, body: { data: true } })
  t.match(await server.rest('POST', '/ws/revocations', { as: null, headers: bearer(token({ jti: 'phone' })), body: { jti: 'phone' } }), { status: 200, body: { complete: true } })
  t.ok(performance.now() - startedAt < 3_000, 'long before the time for it is over')
  t.equal((await call('/ws/tickets')).status, 401)
})

t.test('a long poll ends at once when its token is revoked', async (t) => {
  const server = await startApp(t)
  const { id } = await askStored(server, 'admin')
  const read = questionRead(t)
  const startedAt = performance.now()
  const poll = server.rest('GET', `/ws/confirmations/${id}?wait=60`, { as: null, headers: bearer() })
  await read
  t.match(await server.app.ws.revoke({ jti: 'laptop' }), { complete: true })
  t.match(await poll, { status: 401, body: { message: 'The token has been revoked' } })
  t.ok(performance.now() - startedAt < 30_000)
})

t.test('a request or frame whose token is revoked while authorize runs is refused', async (t) => {
  const ran: string[] = []
  const [rest, socket, owned] = [new Gate(), new Gate(), new Gate()]
  const after: AppOptions['after'] = ({ ws }) => {
    ws.handle('app.act', {
      schema,
      rest: true,
      authorize: async ({ client }) => {
        await (client === null ? rest : socket).wait()
        return true
      }
    }, () => { ran.push('app.act') })
  }
  const server = await startApp(t, { authorize: async () => { await owned.wait(); return true } }, { after })
  const { id } = await askStored(server, 'alice')
  const client = await server.connect('', { token: token() })
  client.send({ type: 'app.act', id: 1 })
  const called = server.rest('POST', '/ws/call/app.act', { as: null, headers: bearer(), body: {} })
  const cancelled = server.rest('DELETE', `/ws/confirmations/${id}`, { as: null, headers: bearer() })
  await Promise.all([rest.reached, socket.reached, owned.reached])
  const revoked = server.app.ws.revoke({ jti: 'laptop' })
  await client.closed
  for (const gate of [rest, socket, owned]) gate.open()
  await revoked
  for (const answer of [called, cancelled]) t.match(await answer, { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
  t.same(ran, [])
  t.match(await server.app.ws.confirmations.get(id), { status: 'pending' })
})

t.test('frames of an anonymous socket pass the token check after authorize', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true } }, {
    after: ({ ws }) => ws.handle('app.act', { schema, authorize: async () => true }, () => 'done')
  })
  const client = await server.connect('', { token: null })
  t.match(await client.request({ type: 'app.act' }), { type: 'reply', data: 'done' })
})

t.test('a frame whose token is revoked while the app or the store is asked has no effect', async (t) => {
  const gate = new Gate()
  const server = await startApp(t, {
    authorizeSend: async () => {
      await gate.wait()
      return true
    }
  })
  const [alice, bob] = [await server.connect('alice'), await server.connect('bob')]
  alice.send({ type: 'user', user_ids: ['bob'], data: { type: 'app.hello' } })
  await gate.reached
  t.match(await server.app.ws.revoke({ userId: 'alice' }), { closed: 1, complete: true })
  gate.open()
  await bob.settled()
  t.equal(bob.count('app.hello'), 0)
})

t.test('an answer whose token is revoked while the question is read is refused', async (t) => {
  const gate = new Gate()
  const server = await startApp(t, {}, { after: ({ ws }) => ws.handle('app.wait', { schema }, () => gate.wait()) })
  const { id } = await askStored(server, 'alice')
  const { confirmations } = server.app.ws
  await t.rejects(confirmations.answer(id, { proceed: true }, { user_id: 'alice', client_id: null }, () => { throw new Error('revoked') }), /revoked/)
  t.match(await confirmations.get(id), { status: 'pending' })
  const alice = await server.connect('alice')
  t.match(await alice.request({ type: 'confirm', callback_id: id, proceed: true }), { type: 'reply' })
})

t.test('an answer by REST whose token is revoked while the question is read is refused', async (t) => {
  const gate = new Gate()
  const { settleAs } = MemoryConfirmationStore.prototype
  t.intercept(MemoryConfirmationStore.prototype, 'settleAs', {
    value: async function (this: MemoryConfirmationStore, ...args: Parameters<typeof settleAs>) {
      const read = await settleAs.apply(this, args)
      await gate.wait()
      return read
    }
  })
  const server = await startApp(t)
  const { id } = await askStored(server, 'admin', { answer: Type.Object({ code: Type.String() }) })
  const answer = server.rest('POST', `/ws/confirmations/${id}`, { as: null, headers: bearer(), body: { proceed: true, answer: { code: '7' } } })
  await gate.reached
  const revoked = server.app.ws.revoke({ jti: 'laptop' })
  gate.open()
  t.match(await answer, { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
  await revoked
  t.match(await server.app.ws.confirmations.get(id), { status: 'pending' })
})

t.test('a person\'s own question is neither shown nor cancelled where the token is revoked while it is read', async (t) => {
  const { get } = Confirmations.prototype
  for (const method of ['GET', 'DELETE'] as const) {
    const server = await startApp(t)
    const { id } = await askStored(server, 'admin')
    const gate = new Gate()
    t.intercept(Confirmations.prototype, 'get', {
      value: async function (this: Confirmations, callbackId: string) {
        const record = await get.call(this, callbackId)
        await gate.wait()
        return record
      }
    })
    const answer = server.rest(method, `/ws/confirmations/${id}`, { as: null, headers: bearer() })
    await gate.reached
    const revoked = server.app.ws.revoke({ jti: 'laptop' })
    gate.open()
    t.match(await answer, { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } }, method)
    await revoked
    t.match(await server.app.ws.confirmations.get(id), { status: 'pending' })
  }
})

t.test('an upgrade whose token expires while authorizeSubscribe runs is refused', async (t) => {
  const gate = new Gate()
  const server = await startApp(t, {
    authorizeSubscribe: async () => {
      await gate.wait()
      return true
    }
  })
  const expiresAt = Math.floor(Date.now() / 1000) + 2
  const refused = refusal(server.dial('alice', { path: '/ws?channel_id=room', claims: { exp: expiresAt } }))
  await gate.reached
  await setTimeout(expiresAt * 1000 - Date.now() + 10)
  gate.open()
  t.equal((await refused).statusCode, 401)
})
