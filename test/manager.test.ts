import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import wsPlugin from '../lib/index.js'
import { SECRET, startApp } from './fixtures/app.js'
import { RawClient } from './fixtures/raw-client.js'
import { root } from './fixtures/root.js'

t.test('the status describes the node', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const { ws } = server.app
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const before = ws.getStatus()
  t.match(before, {
    running: true,
    host: '127.0.0.1',
    port: Number(new URL(server.origin).port),
    active_connections: 0,
    pending_callbacks: 0,
    users: 0,
    channels: 0,
    version
  })
  t.match(before.node_id, /^[\w-]{36}$/)
  const alice = await server.connect('alice')
  await server.connect('alice')
  await server.connect('bob')
  await alice.request({ type: 'subscribe', channel_ids: ['a', 'b'] })
  const waiting = ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task' })
  const { callback_id } = await alice.next('task_step_result')
  const during = ws.getStatus()
  t.match(during, { active_connections: 3, pending_callbacks: 1, users: 2, channels: 2, node_id: before.node_id })
  t.ok(during.uptime_s >= before.uptime_s)
  await ws.confirmations.cancel(callback_id)
  await waiting
  t.match(ws.getStatus(), { pending_callbacks: 0 })
})

t.test('two nodes have two names', async (t) => {
  const [a, b] = [await startApp(t), await startApp(t)]
  t.not(a.app.ws.getStatus().node_id, b.app.ws.getStatus().node_id)
})

t.test('an app that does not listen is not running, and a closing one says so', async (t) => {
  const app = Fastify()
  await app.register(wsPlugin, { jwt: { secret: SECRET } })
  t.match(app.ws.getStatus(), { running: false, host: null, port: null })
  t.match(await app.ws.broadcast({ type: 'x.y' }), { localRecipients: 0 }, 'sending is possible, and reaches nobody')
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.match(app.ws.getStatus(), { running: true, host: '127.0.0.1' })
  t.match(app.ws.getHealth(), { status: 'healthy', uptime_s: Number })
  const closed = app.close()
  await new Promise(setImmediate)
  t.match(app.ws.getHealth(), { status: 'closing' })
  t.same(app.ws.getReadiness(), { status: 'closing', reasons: [] })
  await closed
  t.match(app.ws.getStatus(), { running: false, host: null, port: null })
})

t.test('open connections are counted, closing ones are not', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true } })
  const { ws } = server.app
  const client = await server.connect('alice')
  await server.dial('bob', { token: null }).opened()
  t.equal(ws.getConnectionCount(), 2, 'one that has not authenticated yet is a connection')
  const silent = await RawClient.open(t, server, 'carol')
  t.equal(ws.getConnectionCount(), 3)
  t.equal(await ws.disconnect({ userId: 'carol' }), 1)
  t.equal(ws.getConnectionCount(), 2, 'it has not answered the close frame')
  t.equal(await silent.closeCode(), 4403)
  await client.close()
  t.equal(ws.getConnectionCount(), 1)
})

t.test('disconnect closes one socket', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const client = await server.connect('alice')
  const other = await server.connect('alice')
  t.equal(await ws.disconnect(client.id), 1)
  t.same(await client.closed, { code: 4403, reason: 'Disconnected by the server' })
  await other.settled()
  t.equal(await ws.disconnect(client.id), 0, 'it is gone')
  t.equal(await ws.disconnect('unknown'), 0)
  t.equal(await ws.disconnect(other.id, 'see you'), 1)
  t.same(await other.closed, { code: 4403, reason: 'see you' })
})

t.test('disconnect closes every socket of a user, and no others', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const alices = [await server.connect('alice'), await server.connect('alice')]
  const bob = await server.connect('bob')
  t.equal(await ws.disconnect({ userId: 'alice' }, 'ü'.repeat(100)), 2)
  for (const client of alices) t.same(await client.closed, { code: 4403, reason: 'ü'.repeat(61) }, 'a reason is cut to 123 bytes')
  t.equal(await ws.disconnect({ userId: 'alice' }), 0)
  t.equal(await ws.disconnect({ userId: 'carol' }), 0)
  await bob.settled()
  t.match(ws.getStatus(), { active_connections: 1, users: 1 })
})

t.test('join and leave report whether the socket exists', async (t) => {
  const server = await startApp(t, { limits: { maxChannelsPerConnection: 1 }, auth: { firstFrame: true } })
  const { ws } = server.app
  const client = await server.connect('alice')
  t.equal(await ws.join(client.id, 'room'), true)
  t.equal(await ws.join(client.id, 'room'), true, 'twice is harmless')
  t.same((await client.request({ type: 'connection' })).data.channels, ['room'])
  await t.rejects(ws.join(client.id, 'other'), { code: 'WSM_ERR_TOO_MANY_CHANNELS' })
  t.match(await ws.sendToChannel('room', { type: 'x.y' }), { localRecipients: 1 })
  t.equal(await ws.leave(client.id, 'room'), true)
  t.equal(await ws.leave(client.id, 'room'), true, 'as is leaving a channel that it is not in')
  t.match(await ws.sendToChannel('room', { type: 'x.y' }), { localRecipients: 0 })
  await client.settled()
  t.same(client.received.filter(({ type }) => /subscribed$/.test(type)), [], 'what the app does is not announced')
  for (const id of ['unknown', 'alice']) {
    t.equal(await ws.join(id, 'room'), false)
    t.equal(await ws.leave(id, 'room'), false)
  }
  const silent = await RawClient.open(t, server, 'carol')
  const { body } = await server.rest('GET', '/ws/clients?user_id=carol')
  const [{ client_id: closing }] = body.clients
  await ws.disconnect(closing)
  t.equal(await ws.join(closing, 'room'), false, 'nor is there one that is closing')
  t.equal(await ws.leave(closing, 'room'), false)
  t.equal(ws.getStatus().channels, 0)
  t.equal(await silent.closeCode(), 4403)
})
