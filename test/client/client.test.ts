import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { createClient, WsError, type Status } from '../../client/index.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { pageClient, withoutDelays } from '../fixtures/page-client.js'
import { TcpProxy } from '../fixtures/tcp-proxy.js'
import { startScripted } from '../fixtures/scripted-server.js'
import { until } from '../fixtures/until.js'

withoutDelays(t)

const Text = Type.Object({ text: Type.String() }, { additionalProperties: false })

/** A server behind a proxy, and the origin that clients see. */
async function start (t: Test, options: WsPluginOptions = {}, after: (app: TestApp['app']) => void = () => {}) {
  const server = await startApp(t, { authorizeSubscribe: (_user, channel) => !channel.startsWith('secret'), ...options }, { after: (app) => after(app) })
  const proxy = await TcpProxy.start(t, Number(new URL(server.origin).port))
  const behind = { origin: `http://127.0.0.1:${proxy.port}`, token: server.token.bind(server) }
  return { server, proxy, behind, ws: server.app.ws }
}

t.test('a client connects, calls, and closes', async (t) => {
  const { behind } = await start(t, {}, (app) => app.ws.handle('chat.send', { schema: Text }, ({ text }, { user }) => ({ text, by: user.id })))
  const { client, statuses, failures } = pageClient(t, behind, 'alice')
  t.equal(client.me, null)
  await client.ready()
  t.match(client.me, { userId: 'alice', clientId: String })
  t.same(await client.call('chat.send', { text: 'hello' }), { text: 'hello', by: 'alice' })
  client.close()
  t.same(statuses, ['connecting', 'connected', 'closed'])
  await t.rejects(client.call('chat.send', { text: 'late' }, { offline: 'fail' }), { code: 'closed', delivery: 'not-sent' })
  client.connect()
  await client.ready()
  t.same(failures, [])
})

t.test('a refused call rejects with the code of the server and the delivery "refused"', async (t) => {
  const { behind } = await start(t, {}, (app) => app.ws.handle('chat.send', { schema: Text }, () => {}))
  const { client } = pageClient(t, behind, 'alice')
  const error = await client.call('chat.send', { text: 1 }).catch((error: WsError) => error)
  t.ok(error instanceof WsError)
  t.match(error, { name: 'WsError', code: 'invalid_message', delivery: 'refused', details: [{ path: '/text' }] })
  await t.rejects(client.call('chat.unknown'), { code: 'unknown_type', delivery: 'refused' })
})

t.test('a call that is aborted or late tells whether it was sent', async (t) => {
  const { behind, proxy } = await start(t, {}, (app) => app.ws.handle('app.wait', { schema: Type.Object({}) }, () => new Promise(() => {})))
  const { client } = pageClient(t, behind, 'alice')
  await client.ready()
  const aborting = new AbortController()
  const aborted = client.call('app.wait', {}, { signal: aborting.signal })
  aborting.abort(new Error('no more'))
  await t.rejects(aborted, { code: 'aborted', delivery: 'unknown', cause: { message: 'no more' } })
  await t.rejects(client.call('app.wait', {}, { signal: aborting.signal }), { code: 'aborted', delivery: 'not-sent' })
  await t.rejects(client.call('app.wait', {}, { timeoutMs: 20 }), { code: 'timeout', delivery: 'unknown' })
  proxy.blackHole()
  proxy.cut()
  await until(() => client.status === 'reconnecting')
  await t.rejects(client.call('app.wait', {}, { timeoutMs: 20 }), { code: 'timeout', delivery: 'not-sent' })
  const waiting = Array.from({ length: 100 }, () => client.call('app.wait', {}).catch((error: WsError) => error.code))
  await t.rejects(client.call('app.wait'), { code: 'queue_full', delivery: 'not-sent' })
  client.close()
  t.same(new Set(await Promise.all(waiting)), new Set(['closed']))
})

t.test('after a cut messages that were missed come in order, each once, and a call under way runs once', async (t) => {
  let runs = 0
  let release = () => {}
  const { behind, proxy, ws } = await start(t, {}, (app) => app.ws.handle('app.pay', { schema: Type.Object({}) }, () => {
    runs++
    return new Promise<unknown>((resolve) => { release = () => resolve({ runs }) })
  }))
  const { client, statuses, failures } = pageClient(t, behind, 'alice')
  const got: unknown[] = []
  const room = client.channel('room')
  for (const feed of [client.user, client.all, room]) feed.on('message', (message: { type: string, n?: number }) => { got.push([message.type, message.n]) })
  await client.ready()
  await until(() => room.status === 'live')
  const paid = client.call('app.pay')
  await until(() => runs === 1)
  proxy.blackHole()
  proxy.cut()
  await until(() => client.status === 'reconnecting')
  for (let n = 1; n <= 3; n++) {
    await ws.sendToUser('alice', { type: 'to.user', n })
    await ws.broadcast({ type: 'to.all', n })
    await ws.sendToChannel('room', { type: 'to.room', n })
  }
  t.equal(room.status, 'joining')
  proxy.heal()
  await client.ready()
  await until(() => got.length === 9)
  for (const type of ['to.user', 'to.all', 'to.room']) t.same(got.filter((entry) => (entry as string[])[0] === type), [[type, 1], [type, 2], [type, 3]])
  release()
  t.same(await paid, { runs: 1 })
  t.equal(runs, 1)
  t.same(statuses.filter((status, i) => status !== statuses[i - 1]), ['connecting', 'connected', 'reconnecting', 'connected'])
  t.same(failures, [])
})

t.test('a token that is refused is asked for again, and one that stays refused signs out', async (t) => {
  const { behind, server } = await start(t)
  const reasons: string[] = []
  const { client, statuses } = pageClient(t, behind, 'alice', {
    getToken: ({ reason }) => {
      reasons.push(reason)
      return reason === 'refused' ? server.token('alice') : server.token('alice', { exp: 1 })
    }
  })
  await client.ready()
  t.same(reasons.slice(-2), ['connect', 'refused'])
  const wrong = pageClient(t, behind, 'alice', { getToken: () => server.token('alice', { exp: 1 }) })
  await t.rejects(wrong.client.ready(), { code: 'signed_out' })
  t.equal(wrong.client.status, 'signed-out')
  const none = pageClient(t, behind, 'alice', { getToken: () => null })
  await t.rejects(none.client.ready(), { code: 'signed_out' })
  t.same(statuses.at(-1), 'connected')
})

t.test('a revoked user is signed out, and everything about them is forgotten', async (t) => {
  const { behind, ws } = await start(t)
  const token = behind.token('alice', { iat: Math.floor(Date.now() / 1000) - 10 })
  const { client } = pageClient(t, behind, 'alice', { getToken: () => token })
  const users: unknown[] = []
  client.on('user', (me) => { users.push(me?.userId ?? null) })
  await client.ready()
  await ws.revoke({ userId: 'alice', issuedBefore: Date.now() })
  await until(() => client.status === 'signed-out')
  t.equal(client.me, null)
  t.same(users, ['alice', null])
})

t.test('a getToken() that throws is reported and called again', async (t) => {
  const { behind, server } = await start(t)
  let calls = 0
  const { client, failures } = pageClient(t, behind, 'alice', {
    getToken: async () => {
      if (++calls < 3) throw new Error(`failure ${calls}`)
      return server.token('alice')
    }
  })
  await client.ready()
  t.same(failures.map(({ error }) => error.message), ['failure 1', 'failure 2'])
  const wrong = pageClient(t, behind, 'alice', { getToken: () => 7 as unknown as string })
  await until(() => wrong.failures.length > 1)
  t.match(wrong.failures[0], { error: { code: 'no_token', message: /number/ } })
})

t.test('a token that ends soon is refreshed on the same socket', async (t) => {
  const { behind, server } = await start(t, { auth: { expiryNoticeMs: 60_000 } })
  const reasons: string[] = []
  const { client, statuses } = pageClient(t, behind, 'alice', {
    getToken: ({ reason }) => {
      reasons.push(reason)
      return reason === 'expiring' ? server.token('alice') : server.token('alice', { exp: Math.floor(Date.now() / 1000) + 30 })
    }
  })
  await client.ready()
  const { clientId } = client.me!
  await until(() => reasons.includes('expiring'))
  await server.app.ws.sendToClient(clientId, { type: 'app.hello' })
  t.same(statuses, ['connecting', 'connected'])
})

t.test('a token that does not fit into a header is exchanged for a ticket', async (t) => {
  const { behind, server } = await start(t)
  const { client } = pageClient(t, behind, 'alice', { getToken: () => server.token('alice', { padding: 'x'.repeat(5_000) }) })
  await client.ready()
  t.equal(client.me!.userId, 'alice')
})

t.test('a final close code closes the client, and the status has its reason', async (t) => {
  const { behind, ws } = await start(t)
  const { client, statuses } = pageClient(t, behind, 'alice')
  await client.ready()
  await ws.disconnect(client.me!.clientId, 'Go away')
  await until(() => client.status === 'closed')
  t.match(client.statusDetail, { code: 4403, reason: 'Go away' })
  t.same(statuses, ['connecting', 'connected', 'closed'])
})

t.test('a client of a restarting server reconnects at the time that the server names', async (t) => {
  const { behind, server, proxy } = await start(t, { drain: { timeoutMs: 100, windowMs: 1 } })
  const next = await startApp(t)
  const { client, statuses } = pageClient(t, behind, 'alice')
  await client.ready()
  const closing = server.app.close()
  await until(() => client.status !== 'connected')
  proxy.retarget(Number(new URL(next.origin).port))
  await closing
  await client.ready()
  t.ok(statuses.includes('restarting'))
})

/** Something else than the plugin on the other side. */
async function startOther (t: Test, body: string, status = 200): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(status, { 'content-type': 'text/html' }).end(body))
  server.on('upgrade', (_request, socket) => socket.end(`HTTP/1.1 ${status} Whatever\r\nconnection: close\r\n\r\n`))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

for (const [what, body, status] of [['a captive portal', '<h1>Sign in to the Wi-Fi</h1>', 200], ['an error page', '<h1>Bad gateway</h1>', 502], ['a 503', 'busy', 503]] as const) {
  t.test(`${what} is no server: the client goes on trying`, async (t) => {
    const origin = await startOther(t, body, status)
    const { client, statuses } = pageClient(t, { origin, token: () => 'token' }, 'alice')
    const reasons: string[] = []
    client.on('status', (_status: Status, { reason }) => { if (reason !== undefined) reasons.push(reason) })
    await until(() => reasons.length > 3)
    t.same(new Set(statuses), new Set(['connecting']))
    t.match(reasons.at(-1), /in its place/)
  })
}

t.test('a server that speaks another protocol is an error with the code bad_answer', async (t) => {
  const hellos = ['hello', '{"type":"hello"}', '[1]', 'null', '{"type":"connection"}']
  let n = 0
  const server = await startScripted(t, (socket) => socket.send(hellos[n++ % hellos.length]!))
  const { failures } = pageClient(t, server, 'alice', { getToken: undefined })
  await until(() => failures.length >= hellos.length)
  for (const { error } of failures) t.match(error, { code: 'bad_answer' })
})

t.test('a socket that is told to reconnect before its greeting comes back at the named time', async (t) => {
  const server = await startScripted(t, (socket) => {
    socket.send('{"type":"reconnect","after_ms":0}')
    socket.close(1012)
  })
  const { statuses, failures } = pageClient(t, server, 'alice', { getToken: undefined })
  await until(() => statuses.filter((status) => status === 'restarting').length >= 3)
  t.same(failures, [])
})

t.test('a listener that throws is an error of the client, and the other listeners run', async (t) => {
  const { behind, ws } = await start(t)
  const { client, failures } = pageClient(t, behind, 'alice')
  const got: unknown[] = []
  client.all.on('app.text', () => { throw new Error('synchronous') })
  client.all.on('app.text', async () => { throw new Error('later') })
  client.all.on('app.text', ({ n }) => { got.push(n) })
  await client.ready()
  await ws.broadcast({ type: 'app.text', n: 1 })
  await ws.broadcast({ type: 'app.text', n: 2 })
  await until(() => failures.length === 4)
  t.same(got, [1, 2])
  t.match(failures[0], { where: 'messages of "all" "app.text"', error: { message: 'synchronous' } })
  t.throws(() => client.all.on('app.text', 7 as never), { message: /no function/ })
})

t.test('an invalid URL is refused by createClient()', async (t) => {
  t.throws(() => createClient({ url: 'http://' }), TypeError)
  t.throws(() => createClient({ url: '/ws' }), { message: /must be absolute/ })
})

t.test('a call that is too large is refused, and the client goes on', async (t) => {
  const { behind } = await start(t, {}, (app) => app.ws.handle('chat.send', { schema: Text }, ({ text }) => ({ text })))
  const { client, statuses } = pageClient(t, behind, 'alice')
  await client.ready()
  await t.rejects(client.call('chat.send', { text: 'x'.repeat(100_000) }), { code: 'too_large', delivery: 'unknown' })
  await until(() => client.status === 'connected')
  t.same(await client.call('chat.send', { text: 'short' }), { text: 'short' })
  t.notOk(statuses.includes('closed'))
})

t.test('a call behind a channel finds a member', async (t) => {
  const { behind } = await start(t, {}, (app) => app.ws.handle('room.say', { schema: Text }, async ({ text }) => { await app.ws.sendToChannel('room', { type: 'chat.said', text }) }))
  const { client } = pageClient(t, behind, 'alice')
  await client.ready()
  const got: unknown[] = []
  client.channel('room').on('chat.said', ({ text }) => { got.push(text) })
  await client.call('room.say', { text: 'heard' })
  await until(() => got.length === 1)
  t.strictSame(got, ['heard'])
})

t.test('the event of the user comes after a reload as well', async (t) => {
  const { behind } = await start(t)
  const stored = new Map<string, string>()
  const storage = { getItem: (key: string) => stored.get(key) ?? null, setItem: (key: string, value: string) => { stored.set(key, value) }, removeItem: (key: string) => { stored.delete(key) } }
  for (let load = 0; load < 2; load++) {
    const { client } = pageClient(t, behind, 'alice', { storage })
    const users: unknown[] = []
    client.on('user', (me) => { users.push(me?.userId) })
    await client.ready()
    t.strictSame(users, ['alice'])
    await until(() => stored.size === 1)
    client.close()
  }
})
