import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify, { type FastifyServerOptions } from 'fastify'
import t from 'tap'
import wsPlugin from '../../lib/index.js'
import { SECRET, startApp } from '../fixtures/app.js'
import { selfSigned } from '../fixtures/certificate.js'
import { TestClient } from '../fixtures/client.js'
import { refusal } from '../fixtures/refusal.js'
import { forge } from '../fixtures/tokens.js'

const token = forge({ sub: 'alice' })
const admin = { authorization: `Bearer ${forge({ sub: 'admin', roles: ['ws:admin'] })}` }
const offered = ['ws-manager.v1', `bearer.${token}`]

t.test('connecting, messages and closing work over TLS', async (t) => {
  const https = selfSigned()
  const server = await startApp(t, {}, { fastify: { https } as FastifyServerOptions })
  t.match(server.origin, /^https:/)
  const socket = { ca: https.cert, servername: 'localhost' }
  const client = await server.connect('alice', { socket })
  t.equal(client.received[0]!.data.user_id, 'alice')
  for (let number = 0; number < 50; number++) server.app.ws.broadcast({ type: 'app.news', number, text: 'x'.repeat(10_000) })
  for (let number = 0; number < 50; number++) t.equal((await client.next('app.news')).number, number)
  t.match(await refusal(server.dial('alice', { token: 'bad', socket })), { statusCode: 401, headers: { 'www-authenticate': 'Bearer' } })
  client.socket.send('x'.repeat(100_000))
  t.equal((await client.closed).code, 1009)
  const last = await server.connect('alice', { socket })
  await server.app.close()
  t.same(await last.closed, { code: 1001, reason: 'The server is closing' })
})

t.test('connecting, messages and closing work over a Unix domain socket, whose clients have no address', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'ws-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wsPlugin, { jwt: { secret: SECRET } })
  const path = join(folder, 'app.sock')
  await app.listen({ path })
  const client = await new TestClient(`ws+unix://${path}:/ws`, offered).opened()
  t.match(await client.next('connection'), { data: { user_id: 'alice' } })
  t.match(app.ws.getStatus(), { running: true, host: null, port: null, active_connections: 1 })
  const { statusCode, body } = await app.inject({ url: '/ws/clients', headers: admin })
  t.equal(statusCode, 200)
  t.match(JSON.parse(body).clients, [{ user_id: 'alice', ip: '' }])
  await client.close()
})

t.test('connecting, messages and closing work with injectWS of @fastify/websocket, without a network', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  // The streams of injectWS have no end of their own: the server cuts them after this time.
  await app.register(wsPlugin, { jwt: { secret: SECRET }, authorizeSubscribe: () => true, closeTimeoutMs: 50 })
  await app.ready()
  const frames: string[] = []
  let wake = () => {}
  const socket = await app.injectWS('/ws?channel_id=news', { headers: { authorization: `Bearer ${token}` } }, {
    onInit: (socket) => socket.on('message', (data) => {
      frames.push(data.toString())
      wake()
    })
  })
  const nth = async (count: number) => {
    while (frames.length < count) await new Promise<void>((resolve) => { wake = resolve })
    return JSON.parse(frames[count - 1]!)
  }
  t.match(await nth(1), { type: 'connection', data: { user_id: 'alice', channels: ['news'] } })
  socket.send(JSON.stringify({ type: 'ping', timestamp: 7 }))
  t.match(await nth(2), { type: 'pong', timestamp: 7 })
  await app.ws.sendToChannel('news', { type: 'app.news' })
  t.match(await nth(3), { type: 'app.news' })
  await t.rejects(app.injectWS('/ws'), /401/)
  t.match((await app.inject({ url: '/ws/clients', headers: admin })).json().clients, [{ user_id: 'alice', ip: '' }])
  const closed = new Promise((resolve) => socket.on('close', resolve))
  await app.close()
  t.equal(await closed, 1001)
})

t.test('connecting, messages and closing work on every address of localhost', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wsPlugin, { jwt: { secret: SECRET } })
  await app.listen({ port: 0, host: 'localhost' })
  const clients = []
  for (const { address, port, family } of app.addresses() as AddressInfo[]) {
    const client = await new TestClient(`ws://${family === 'IPv6' ? `[${address}]` : address}:${port}/ws`, offered).opened()
    await client.next('connection')
    clients.push(client)
  }
  t.ok(clients.length >= 1)
  t.equal(app.ws.getConnectionCount(), clients.length)
  t.match(await app.ws.sendToUser('alice', { type: 'app.hello' }), { localRecipients: clients.length })
  await app.close()
  for (const client of clients) t.equal((await client.closed).code, 1001)
})
