import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import type { TestClient } from '../fixtures/client.js'
import { Gate } from '../fixtures/gate.js'
import { RawClient } from '../fixtures/raw-client.js'
import { refusal } from '../fixtures/refusal.js'
import { until } from '../fixtures/until.js'

const nobody = { token: null }
/** A client without a token, from an address behind a proxy that the app trusts. */
const from = (server: TestApp, address: string) => server.dial('', { token: null, socket: { headers: { 'x-forwarded-for': address } } })
const start = (t: Test, options: WsPluginOptions) => startApp(t, options, { fastify: { trustProxy: true } })

const kinds = [
  { what: 'are waiting for their auth frame', auth: { firstFrame: true }, limit: 'maxUnauthenticated', counter: 'unauthenticated' },
  { what: 'are anonymous', auth: { anonymous: true }, limit: 'maxAnonymous', counter: 'anonymous' }
] as const

for (const { what, auth, limit, counter } of kinds) {
  t.test(`one address has a limited number of sockets that ${what}`, async (t) => {
    for (const rejectMode of ['http', 'close'] as const) {
      const server = await start(t, { auth, rejectMode, limits: { [`${limit}PerIp`]: 2 } })
      const open = (address: string) => from(server, address).opened()
      const first = [await open('203.0.113.1'), await open('203.0.113.1')] as const
      if (rejectMode === 'http') t.match(await refusal(from(server, '203.0.113.1')), { statusCode: 429, body: { code: 'WSM_ERR_RATE_LIMITED', message: new RegExp(what) } })
      else t.match(await (await open('203.0.113.1')).closed, { code: 1013, reason: new RegExp(what) })
      for (const address of ['203.0.113.2', '2001:db8:1:2::1', '2001:db8:1:2::2', '2001:db8:1:3::1']) await open(address)
      const beside = from(server, '2001:db8:1:2::3')
      if (rejectMode === 'http') t.equal((await refusal(beside)).statusCode, 429, 'a network of IPv6 is one address')
      else t.match(await (await beside.opened()).closed, { code: 1013 })
      await server.connect('alice', { socket: { headers: { 'x-forwarded-for': '203.0.113.1' } } })
      t.match(server.app.ws.getStatus().rejected, { [`${counter}_per_ip`]: 2, [counter]: 0 })
      await first[0].close()
      await open('203.0.113.1')
    }
  })

  t.test(`the limits on sockets that ${what} hold for simultaneous upgrades`, async (t) => {
    const server = await start(t, { auth, limits: { [`${limit}PerIp`]: 3, [limit]: 5 } })
    const outcomes = await Promise.all(['203.0.113.1', '203.0.113.2'].flatMap((address) => Array.from({ length: 10 }, () =>
      from(server, address).opened().then(() => 101, ({ statusCode }) => statusCode))))
    t.equal(outcomes.filter((status) => status === 101).length, 5)
    const { rejected, active_connections: open } = server.app.ws.getStatus()
    t.equal(open, 5)
    t.equal(rejected[counter] + rejected[`${counter}_per_ip`], 15)
  })

  t.test(`sockets that ${what} take at most half of limits.maxConnections`, async (t) => {
    const server = await start(t, { auth, limits: { maxConnections: 5 } })
    for (let i = 0; i < 2; i++) await server.dial('', nobody).opened()
    t.match(await refusal(server.dial('', nobody)), { statusCode: 503, headers: { 'retry-after': /\d/ }, body: { code: 'WSM_ERR_UNAVAILABLE' } })
    for (const user of ['alice', 'bob', 'carol']) await server.connect(user)
    t.match(await refusal(server.dial('dave')), { statusCode: 503 })
    t.match(server.app.ws.getStatus().rejected, { [counter]: 1, connections: 1 })
  })
}

t.test('a socket frees its anonymous slot when it authenticates, and takes one when it becomes anonymous', async (t) => {
  const server = await start(t, { auth: { anonymous: true }, limits: { maxAnonymous: 1, maxErrorsPerMinute: 100 } })
  const client = await server.connect('', nobody)
  t.match(await client.request({ type: 'auth' }), { type: 'reply' }, 'nobody may stay nobody')
  t.equal((await refusal(server.dial('', nobody))).statusCode, 503)
  await client.request({ type: 'auth', token: server.token('alice') })
  const other = await server.connect('', nobody)
  t.match(await client.request({ type: 'auth' }), { type: 'error', code: 'unavailable' })
  t.match(await client.request({ type: 'connection' }), { data: { user_id: 'alice' } })
  await other.close()
  t.match(await client.request({ type: 'auth' }), { type: 'reply', data: { user_id: null } })
  t.equal((await refusal(server.dial('', nobody))).statusCode, 503)
})

t.test('limits.maxAnonymous holds for sockets that become anonymous simultaneously', async (t) => {
  const gate = new Gate()
  let asked = 0
  const server = await start(t, {
    auth: { anonymous: true },
    limits: { maxAnonymous: 1 },
    authorizeSubscribe: async (user) => {
      if (user === null) {
        asked++
        await gate.wait()
      }
      return true
    }
  })
  const clients = [await server.connect('alice'), await server.connect('bob')]
  for (const client of clients) {
    await client.request({ type: 'subscribe', channel_ids: ['news'] })
    client.send({ type: 'auth' })
  }
  await until(() => asked === 2)
  gate.open()
  t.match(await Promise.race(clients.map(({ closed }) => closed)), { code: 1013, reason: 'Too many sockets are anonymous' })
  t.equal(server.app.ws.getConnectionCount(), 1)
})

/** A client that does not answer a close frame; the server has sent it one. */
async function stubborn (t: Test, server: TestApp, userId: string): Promise<RawClient> {
  const client = await RawClient.open(t, server, userId)
  client.send(1, 'no message')
  await client.closeCode()
  return client
}

t.test('a slot is free as soon as the server has sent the close frame', async (t) => {
  const server = await start(t, { limits: { maxConnections: 2, maxErrorsPerMinute: 1 }, closeTimeoutMs: 30_000, auth: { firstFrame: true } })
  const waiting = await server.dial('', nobody).opened()
  await stubborn(t, server, 'bob')
  await server.connect('carol')
  t.equal((await refusal(server.dial('dave'))).statusCode, 503)
  waiting.send({ type: 'what' })
  await waiting.closed
  await server.connect('dave')
})

t.test('a slot is free as soon as the client has sent its close frame, even if it keeps the socket open', async (t) => {
  const server = await start(t, { limits: { maxConnections: 2 }, closeTimeoutMs: 100 })
  const client = await RawClient.open(t, server, 'alice')
  await server.connect('bob')
  client.send(8, Buffer.from([0x03, 0xe8]))
  t.equal(await client.closeCode(), 1000)
  await server.connect('carol')
  await client.ended
})

t.test('the oldest of more than limits.maxClosing closing sockets is cut when another socket opens', async (t) => {
  for (const rejectMode of ['http', 'close'] as const) {
    const server = await start(t, { limits: { maxClosing: 2, maxErrorsPerMinute: 1 }, closeTimeoutMs: 30_000, rejectMode })
    const closing: RawClient[] = []
    for (let i = 0; i < 4; i++) closing.push(await stubborn(t, server, 'mallory'))
    await closing[0]!.ended
    t.equal(server.app.ws.getStatus().rejected.closing, 1, 'the fourth was open when there was one too many')
    if (rejectMode === 'http') await server.connect('alice')
    else await (await server.dial('x', { token: 'bad' }).opened()).closed
    await closing[1]!.ended
    t.equal(server.app.ws.getStatus().rejected.closing, 2)
    for (const client of closing) client.reset()
  }
})

t.test('sockets refused after they opened count towards limits.maxClosing', async (t) => {
  const server = await start(t, { limits: { maxClosing: 1 }, closeTimeoutMs: 30_000, rejectMode: 'close' })
  const refused: RawClient[] = []
  for (let i = 0; i < 3; i++) {
    const client = await RawClient.to(t, server)
    client.upgrade('/ws', { authorization: 'Bearer bad' })
    await client.response()
    t.equal(await client.closeCode(), 4401)
    refused.push(client)
  }
  await refused[0]!.ended
  t.equal(server.app.ws.getStatus().rejected.closing, 1)
  for (const client of refused) client.reset()
})

t.test('limits.maxClosing cuts no socket while the server closes', async (t) => {
  const server = await start(t, { limits: { maxClosing: 1 }, drain: { windowMs: 0 } })
  const clients: TestClient[] = []
  for (const user of ['alice', 'bob', 'carol']) clients.push(await server.connect(user))
  await server.app.close()
  for (const { closed } of clients) t.equal((await closed).code, 1001)
  t.equal(server.app.ws.getStatus().rejected.closing, 0)
  await until(() => server.app.ws.getConnectionCount() === 0)
})
