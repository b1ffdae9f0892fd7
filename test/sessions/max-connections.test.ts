import fastifyWebsocket from '@fastify/websocket'
import t from 'tap'
import type { VerifyClientCallbackAsync } from 'ws'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { RawClient } from '../fixtures/raw-client.js'
import { refusal } from '../fixtures/refusal.js'
import { until } from '../fixtures/until.js'

t.test('a socket over limits.maxConnections is refused with 503, and the others stay open', async (t) => {
  const server = await startApp(t, { limits: { maxConnections: 2 } })
  const clients = [await server.connect('alice'), await server.connect('bob')]
  const answer = await refusal(server.dial('carol', { token: 'unread' }))
  t.match(answer, { statusCode: 503, headers: { 'retry-after': /^\d+$/ }, body: { code: 'WSM_ERR_UNAVAILABLE', message: /too many connections/ } })
  for (const client of clients) await client.settled()
  t.match(server.app.ws.getStatus(), { active_connections: 2, rejected: { connections: 1 } })
})

t.test('limits.maxConnections holds for simultaneous upgrades', async (t) => {
  const server = await startApp(t, { limits: { maxConnections: 3 } })
  const outcomes = await Promise.all(Array.from({ length: 30 }, () => server.dial('alice').opened().then(() => 101, ({ statusCode }) => statusCode)))
  t.same(outcomes.sort(), [101, 101, 101, ...Array(27).fill(503)])
  t.match(server.app.ws.getStatus(), { active_connections: 3, rejected: { connections: 27 } })
})

t.test('limits.maxConnections holds for sockets that passed the first check together', async (t) => {
  const gate = new Gate()
  let arrived = 0
  const authorizeSubscribe = async () => {
    arrived++
    await gate.wait()
    return true
  }
  const server = await startApp(t, { authorizeSubscribe, limits: { maxConnections: 3 } })
  const dialled = Array.from({ length: 10 }, () => server.dial('alice', { path: '/ws?channel_id=room' }).opened().then(() => 101, ({ statusCode }) => statusCode))
  await until(() => arrived === 10)
  gate.open()
  t.same((await Promise.all(dialled)).sort(), [101, 101, 101, ...Array(7).fill(503)])
  t.match(server.app.ws.getStatus(), { active_connections: 3, rejected: { connections: 7 } })
})

t.test('limits.maxConnections holds for upgrades that wait together for the host\'s verifyClient', async (t) => {
  const gate = new Gate()
  let arrived = 0
  const verifyClient: VerifyClientCallbackAsync = (_info, accept) => {
    arrived++
    gate.wait().then(() => accept(true))
  }
  const server = await startApp(t, { limits: { maxConnections: 3 } }, {
    before: async (app) => { await app.register(fastifyWebsocket, { options: { verifyClient } }) }
  })
  const clients = Array.from({ length: 5 }, (_, index) => server.dial(`user-${index}`))
  await until(() => arrived === 5)
  gate.open()
  const outcomes = await Promise.all(clients.map((client) => Promise.race([client.closed, client.next('connection').then(() => null)])))
  const refused = { code: 1013, reason: 'The server has too many connections' }
  t.same(outcomes.filter((closed) => closed !== null), [refused, refused])
  t.match(server.app.ws.getStatus(), { active_connections: 3, rejected: { connections: 2 } })
})

t.test('with rejectMode close a socket over limits.maxConnections is closed with 1013', async (t) => {
  const server = await startApp(t, { limits: { maxConnections: 2 }, rejectMode: 'close' })
  server.app.ws.on('client_connected', ({ client }) => { if (client.user?.id === 'carol') t.fail('it never was a client') })
  const clients = [await server.connect('alice'), await server.connect('bob')]
  const carol = await server.dial('carol').opened()
  t.same(await carol.closed, { code: 1013, reason: 'The server has too many connections' })
  t.same(carol.received, [])
  for (const client of clients) await client.settled()
  t.match(server.app.ws.getStatus(), { active_connections: 2, users: 2 })
})

t.test('a socket that closes frees its slot of limits.maxConnections', async (t) => {
  const server = await startApp(t, { limits: { maxConnections: 1 } })
  for (const user of ['alice', 'bob', 'alice']) {
    const ended = new Promise<void>((resolve) => {
      const off = server.app.ws.on('client_disconnected', () => { off(); resolve() })
    })
    const client = await server.connect(user)
    await client.close()
    await ended
  }
  t.equal(server.app.ws.getConnectionCount(), 0)
})

t.test('an unauthenticated socket counts towards limits.maxConnections', async (t) => {
  const server = await startApp(t, { limits: { maxConnections: 2 }, auth: { firstFrame: true } })
  await server.dial('alice', { token: null }).opened()
  await server.connect('bob')
  t.match(await refusal(server.dial('carol')), { statusCode: 503 })
})

t.test('a refused socket that does not answer the close frame is cut', async (t) => {
  const server = await startApp(t, { limits: { maxConnections: 1 }, rejectMode: 'close', closeTimeoutMs: 30 })
  await server.connect('alice')
  const client = await RawClient.to(t, server)
  client.upgrade('/ws', { authorization: `Bearer ${server.token('bob')}` })
  t.equal((await client.response()).status, 101)
  t.equal(await client.closeCode(), 1013)
  await client.ended
})
