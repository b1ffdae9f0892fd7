import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import type { Connection } from '../../lib/socket/connection.js'
import type { Revocable } from '../../lib/engine/engine.js'
import { MemoryRevocationStore } from '../../lib/engine/memory/revocations.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { inAnHour, startApp, type TestApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { gatedTopic } from '../fixtures/gated-topic.js'
import { RawClient } from '../fixtures/raw-client.js'
import { refusal } from '../fixtures/refusal.js'
import { StallingClient } from '../fixtures/stalling-client.js'
import { forge } from '../fixtures/tokens.js'

const REVOKED = { code: 4401, reason: 'The token has been revoked' }
const now = () => Math.floor(Date.now() / 1000)

/** A user's token of some seconds ago. */
const issued = (secondsAgo: number, fields: object = {}, userId = 'alice') => forge({ sub: userId, iat: now() - secondsAgo, ...fields })

/** The users whose sockets have ended since; a socket that is closing only has not. */
function endedOf ({ app: { ws } }: TestApp): string[] {
  const users: string[] = []
  ws.on('client_disconnected', ({ client }) => { users.push(client.user!.id) })
  return users
}

t.test('a revoked token\'s sockets are closed, and new ones are refused', async (t) => {
  const server = await startApp(t)
  const token = issued(10, { jti: 'laptop' })
  const [laptop, phone, bob] = [await server.connect('', { token }), await server.connect('', { token: issued(10, { jti: 'phone' }) }), await server.connect('bob')]
  const { body: { ticket } } = await server.rest('POST', '/ws/tickets', { as: null, headers: { authorization: `Bearer ${token}` } })
  t.same(await server.app.ws.revoke({ jti: 'laptop', expiresAt: inAnHour() * 1000 }), { closed: 1, complete: true, missing: [] })
  t.equal(server.app.ws.getConnectionCount(), 2, 'it is gone when that resolves')
  t.same(await laptop.closed, REVOKED)
  const revoked = { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED', message: 'The token has been revoked' } }
  t.match(await refusal(server.dial('', { token })), revoked)
  t.match(await refusal(server.dial('', { token: null, path: `/ws?ticket=${ticket}` })), revoked, 'nor does a ticket that it got before')
  const rest = await server.rest('POST', '/ws/tickets', { as: null, headers: { authorization: `Bearer ${token}` } })
  t.match(rest, { status: 401, body: revoked.body })
  for (const type of ['auth', 'change_user']) t.match(await phone.request({ type, token }), { type: 'error', code: 'unauthorized' })
  t.match(await phone.request({ type: 'connection' }), { data: { user_id: 'alice' } }, 'the user\'s other token is good')
  await bob.settled()
  t.same(await server.app.ws.revoke({ jti: 'laptop' }), { closed: 0, complete: true, missing: [] }, 'again is no fault')
})

t.test('a socket opened with a ticket is closed when the token behind it is revoked', async (t) => {
  const server = await startApp(t)
  const { body: { ticket } } = await server.rest('POST', '/ws/tickets', { as: null, headers: { authorization: `Bearer ${issued(10, { jti: 'laptop' })}` } })
  const client = await server.connect('', { token: null, path: `/ws?ticket=${ticket}` })
  t.match(await server.app.ws.revoke({ jti: 'laptop' }), { closed: 1 })
  t.same(await client.closed, REVOKED)
})

t.test('a token whose jti is a number can be revoked', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('', { token: issued(10, { jti: 7 }) })
  t.match(await server.app.ws.revoke({ jti: '7' }), { closed: 1 })
  t.same(await client.closed, REVOKED)
})

t.test('revoking a user revokes tokens issued before, and accepts tokens issued afterwards', async (t) => {
  const server = await startApp(t)
  const [old, bobs] = [await server.connect('', { token: issued(10) }), await server.connect('', { token: issued(10, {}, 'bob') })]
  const newer = await server.connect('', { token: issued(5) })
  t.match(await server.app.ws.revoke({ userId: 'alice', issuedBefore: (now() - 7) * 1000 }), { closed: 1, complete: true })
  t.same(await old.closed, REVOKED)
  await newer.settled()
  t.match(await server.app.ws.revoke({ userId: 'alice' }), { closed: 1 })
  t.same(await newer.closed, REVOKED)
  for (const token of [issued(10), issued(0), forge({ sub: 'alice' })]) t.equal((await refusal(server.dial('', { token }))).statusCode, 401)
  await server.connect('', { token: issued(-1) })
  await bobs.settled()
})

t.test('a revocation of tokens issued long ago is kept as long as any other', async (t) => {
  const server = await startApp(t, { auth: { revocationTtlMs: 60_000 } })
  await server.app.ws.revoke({ userId: 'alice', issuedBefore: (now() - 3_600) * 1_000 })
  t.equal((await refusal(server.dial('', { token: issued(7_200) }))).statusCode, 401)
  await server.connect('', { token: issued(1_800) })
})

t.test('sessions of the app\'s own authenticate can be revoked like tokens', async (t) => {
  const sessions: Record<string, object> = { first: { jti: 'first', issuedAt: Date.now() - 5 }, second: { issuedAt: Date.now() + 60_000 }, bare: {} }
  const server = await startApp(t, {
    authenticate: ({ headers }) => ({ id: 'alice', ...sessions[String(headers['x-session'])] })
  }, { before: (app) => { app.decorate('jwt', {} as never) } })
  const dial = (session: string) => server.dial('', { token: null, socket: { headers: { 'x-session': session } } })
  for (const session of ['first', 'second', 'bare']) await dial(session).opened()
  t.match(await server.app.ws.revoke({ jti: 'first' }), { closed: 1 })
  t.equal((await refusal(dial('first'))).statusCode, 401)
  t.match(await server.app.ws.revoke({ userId: 'alice' }), { closed: 1 }, 'of a session that does not say when it began, it is not known that it is new')
  await dial('second').opened()
  t.equal((await refusal(dial('bare'))).statusCode, 401)
})

t.test('an invalid revocation target is refused and revokes nothing', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice')
  const bad: unknown[] = [
    {}, { jti: '' }, { jti: 7 }, { userId: '' }, { jti: 'a', userId: 'alice' }, { jti: 'a', issuedBefore: Date.now() }, { userId: 'alice', expiresAt: Date.now() },
    { userId: 'alice', issuedBefore: now() }, { userId: 'alice', issuedBefore: Date.now() * 1000 }, { userId: 'alice', issuedBefore: 'now' }, { jti: 'a', expiresAt: inAnHour() }, { user_id: 'alice' }, null
  ]
  for (const target of bad) await t.rejects(server.app.ws.revoke(target as never), { code: 'WSM_ERR_INVALID_ARGUMENT' }, JSON.stringify(target))
  await client.settled()
})

t.test('a revocation over limits.maxRevocations is refused and counted', async (t) => {
  const server = await startApp(t, { limits: { maxRevocations: 1 } })
  await server.app.ws.revoke({ jti: 'a' })
  await t.rejects(server.app.ws.revoke({ jti: 'b' }), { code: 'WSM_ERR_UNAVAILABLE', statusCode: 503, message: /maxRevocations/ })
  t.equal(server.app.ws.getStatus().rejected.revocations, 1)
})

t.test('a token that outlives auth.revocationTtlMs is warned about once', async (t) => {
  const server = await startApp(t, { auth: { revocationTtlMs: 100_000 } })
  const warnings = () => server.logs.filter(({ level, msg }) => level === 40 && /revocationTtlMs/.test(msg)).length
  await server.connect('', { token: issued(0, { exp: now() + 50 }) })
  t.equal(warnings(), 0)
  for (let n = 0; n < 2; n++) await server.connect('', { token: issued(0, { exp: now() + 3600 }) })
  t.equal(warnings(), 1)
})

t.test('POST /ws/revocations revokes tokens for callers with permission', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('', { token: issued(10, { jti: 'laptop' }) })
  const revoke = (body: unknown, as: string | null = 'admin') => server.rest('POST', '/ws/revocations', { as, body })
  t.equal((await revoke({ user_id: 'bob' }, null)).status, 401)
  t.match(await revoke({ user_id: 'alice' }, 'alice'), { status: 403, body: { message: /revocations:create/ } })
  for (const body of [{}, { userId: 'alice' }, { jti: 'a', user_id: 'alice' }, { user_id: 'alice', issued_before: 7 }, []]) {
    t.match(await revoke(body), { status: 400, body: { code: /INVALID/ } }, JSON.stringify(body))
  }
  t.match(await revoke('x'), { status: 400, body: { code: 'WSM_ERR_BAD_JSON' } })
  await client.settled()
  t.match(await revoke({ jti: 'laptop', expires_at: inAnHour() * 1000 }), { status: 200, body: { closed: 1, complete: true, missing: [] } })
  t.same(await client.closed, REVOKED)
  const again = await server.connect('', { token: issued(10) })
  t.match(await revoke({ user_id: 'alice', issued_before: Date.now() }), { status: 200, body: { closed: 1 } })
  t.same(await again.closed, REVOKED)
})

/** An app that holds up whoever asks to join the channel "gate", while it is told to. */
async function gated (t: Test, options: WsPluginOptions = {}): Promise<{ server: TestApp, gate: Gate, hold: (isHeld: boolean) => void }> {
  const gate = new Gate()
  let isHeld = true
  const server = await startApp(t, {
    authorizeSubscribe: async (_user, channel) => {
      if (channel === 'gate' && isHeld) await gate.wait()
      return true
    },
    ...options
  })
  return { server, gate, hold: (hold) => { isHeld = hold } }
}

t.test('an upgrade whose token is revoked during admission is refused', async (t) => {
  const { server, gate } = await gated(t)
  const refused = refusal(server.dial('', { token: issued(10), path: '/ws?channel_id=gate' }))
  await gate.reached
  t.same(await server.app.ws.revoke({ userId: 'alice' }), { closed: 0, complete: true, missing: [] })
  gate.open()
  t.match(await refused, { statusCode: 401, body: { message: 'The token has been revoked' } })
})

t.test('an upgrade whose token is revoked while hooks of the host run is refused as rejectMode says', async (t) => {
  const dialled = async (options: WsPluginOptions) => {
    const gate = new Gate()
    const server = await startApp(t, options, { before: (app) => { app.addHook('preHandler', () => gate.wait()) } })
    const client = server.dial('', { token: issued(10) })
    await gate.reached
    t.same(await server.app.ws.revoke({ userId: 'alice' }), { closed: 0, complete: true, missing: [] })
    gate.open()
    return client
  }
  t.match(await refusal(await dialled({ rejectMode: 'http' })), { statusCode: 401, body: { message: REVOKED.reason } })
  const client = await (await dialled({ rejectMode: 'close' })).opened()
  t.same(await client.closed, REVOKED)
  t.same(client.received, [])
})

t.test('a socket whose token is revoked while it joins its topics is closed and receives nothing', async (t) => {
  const gate = gatedTopic(t, 'user:alice')
  const server = await startApp(t)
  const client = await server.dial('', { token: issued(10) }).opened()
  await gate.reached
  t.match(await server.app.ws.revoke({ userId: 'alice' }), { closed: 1 })
  gate.open()
  t.same(await client.closed, REVOKED)
  t.same(client.received, [])
})

t.test('an upgrade is refused with 503 while the node cannot check revocations, and accepted later', async (t) => {
  let isKnown = true
  const { isRevoked } = MemoryRevocationStore.prototype
  t.intercept(MemoryRevocationStore.prototype, 'isRevoked', {
    value: function (this: MemoryRevocationStore, user: Revocable): boolean | null {
      return isKnown ? isRevoked.call(this, user) : null
    }
  })
  const server = await startApp(t, {
    authorizeSubscribe: () => {
      isKnown = false
      return true
    }
  })
  t.match(await refusal(server.dial('alice', { path: '/ws?channel_id=news' })), { statusCode: 503, body: { message: /Revocations are temporarily unavailable/ } })
  t.equal((await refusal(server.dial('alice'))).statusCode, 503)
  isKnown = true
  await server.connect('alice')
})

t.test('a first auth frame whose token is revoked during admission is refused', async (t) => {
  const { server, gate } = await gated(t, { auth: { firstFrame: true } })
  const client = await server.dial('', { token: null, path: '/ws?channel_id=gate' }).opened()
  const answer = client.request({ type: 'auth', token: issued(10) })
  await gate.reached
  await server.app.ws.revoke({ userId: 'alice' })
  gate.open()
  t.match(await answer, { type: 'error', code: 'unauthorized', message: REVOKED.reason })
  t.equal(server.app.ws.getStatus().users, 0)
})

t.test('a fresh token that is revoked while its channels are checked changes nothing', async (t) => {
  const { server, gate, hold } = await gated(t)
  hold(false)
  const client = await server.connect('', { token: issued(0, { jti: 'first' }), path: '/ws?channel_id=gate' })
  hold(true)
  const answer = client.request({ type: 'auth', token: issued(0, { jti: 'second', exp: now() + 60 }) })
  await gate.reached
  t.match(await server.app.ws.revoke({ jti: 'second' }), { closed: 0 })
  gate.open()
  t.match(await answer, { type: 'error', code: 'unauthorized', message: REVOKED.reason })
  const { data } = await client.request({ type: 'connection' })
  t.ok(data.expires_at > (now() + 60) * 1000, 'the socket has its first token')
})

t.test('a fresh token that is revoked while the socket joins the topics of its roles changes nothing', async (t) => {
  const gate = gatedTopic(t, 'role:editor')
  const server = await startApp(t)
  const client = await server.connect('', { token: issued(0, { jti: 'first' }) })
  const answer = client.request({ type: 'auth', token: issued(0, { jti: 'second', roles: ['editor'] }) })
  await gate.reached
  t.match(await server.app.ws.revoke({ jti: 'second' }), { closed: 0 })
  gate.open()
  t.match(await answer, { type: 'error', code: 'unauthorized', message: REVOKED.reason })
  t.match(await server.app.ws.sendToRole('editor', { type: 'x.y' }), { localRecipients: 0 })
  t.match(await server.app.ws.sendToUser('alice', { type: 'x.z' }), { localRecipients: 1 })
  await client.next('x.z')
  t.equal(client.count('x.y'), 0)
})

t.test('a socket is closed when the token of its new user is revoked during the switch', async (t) => {
  const gate = gatedTopic(t, 'user:bob')
  const server = await startApp(t)
  const client = await server.connect('', { token: issued(10) })
  client.send({ type: 'auth', token: issued(10, {}, 'bob') })
  await gate.reached
  t.match(await server.app.ws.revoke({ userId: 'bob' }), { closed: 0 })
  gate.open()
  t.same(await client.closed, REVOKED)
  t.notOk(client.received.some(({ data }) => data?.user_id === 'bob'))
})

t.test('messages queued for a revoked socket are discarded, and later ones are not sent', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('', { token: issued(10) })
  await server.app.ws.sendToUser('alice', { type: 'test.before' })
  await client.next('test.before')
  const { ws } = server.app
  const revoked = Promise.all([ws.sendToUser('alice', { type: 'test.waiting' }), ws.sendToClient(client.id, { type: 'test.waiting' }), ws.revoke({ userId: 'alice' })])
  t.match(await revoked, [{ localRecipients: 1 }, { recipients: 1 }, { closed: 1 }])
  t.match(await ws.sendToUser('alice', { type: 'test.after' }), { localRecipients: 0 })
  await client.closed
  t.equal(client.count('test.waiting') + client.count('test.after'), 0)
})

const PADDING = 'x'.repeat(50_000)

t.test('a revoked client that does not read never gets its queued messages', async (t) => {
  const server = await startApp(t)
  let raw!: Duplex
  server.app.server.on('connection', (socket) => { raw = socket })
  const ended: number[] = []
  server.app.ws.on('client_disconnected', ({ code }) => { ended.push(code) })
  const client = await StallingClient.open(server.origin, issued(10))
  client.stall()
  let number = 0
  while (raw.writableLength === 0) {
    await server.app.ws.sendToUser('alice', { type: 'test.numbered', number: ++number, padding: PADDING }, { history: false })
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.match(await server.app.ws.revoke({ userId: 'alice' }), { closed: 1 })
  t.same(ended, [4401], 'it is gone when the call resolves')
  const over = new Promise((resolve) => client.socket.once('close', resolve))
  client.resume()
  await over
  const numbers = client.frames().filter(({ opcode }) => opcode === 1).map(({ payload }) => JSON.parse(payload.toString()).number)
  t.ok(numbers.length < number, `${numbers.length} of ${number} had reached the client`)
})

t.test('revoke() and disconnect() end a client that does not answer the close frame before they resolve', async (t) => {
  const server = await startApp(t)
  const ends = { alice: () => server.app.ws.revoke({ userId: 'alice' }), bob: () => server.app.ws.disconnect({ userId: 'bob' }) }
  for (const [user, end] of Object.entries(ends)) {
    const raw = await RawClient.open(t, server, user)
    const ended = endedOf(server)
    await end()
    t.strictSame(ended, [user])
    await raw.ended
  }
})

t.test('messages sent before disconnect() still arrive, and later ones do not', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice')
  const { ws } = server.app
  await ws.sendToUser('alice', { type: 'test.goodbye' })
  t.equal(await ws.disconnect({ userId: 'alice' }, 'enough'), 1)
  await ws.sendToUser('alice', { type: 'test.after' })
  t.same(await client.closed, { code: 4403, reason: 'enough' })
  t.equal(client.count('test.goodbye'), 1)
  t.equal(client.count('test.after'), 0)
})

t.test('revoke() also waits for sockets that are closing already', async (t) => {
  const server = await startApp(t)
  const raw = await RawClient.open(t, server, 'alice')
  const [{ client_id: id }] = (await server.rest('GET', '/ws/clients')).body.clients
  const ended = endedOf(server)
  const kicked = server.app.ws.disconnect(id)
  t.match(await server.app.ws.revoke({ userId: 'alice' }), { closed: 0 })
  t.strictSame(ended, ['alice'])
  await Promise.all([kicked, raw.ended])
})

t.test('gone() of a socket that has ended resolves at once', async (t) => {
  const server = await startApp(t)
  const ended = new Promise<Connection>((resolve) => server.app.ws.on('client_disconnected', ({ client }) => resolve(client as Connection)))
  const client = await server.connect('alice')
  await client.close()
  await (await ended).gone()
})
