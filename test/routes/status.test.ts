import Fastify from 'fastify'
import t from 'tap'
import wsPlugin from '../../lib/index.js'
import { SECRET, startApp } from '../fixtures/app.js'
import { askStored } from '../fixtures/questions.js'

t.test('the status counts sockets, users, channels and questions', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const { port } = server.app.server.address() as { port: number }
  const empty = await server.rest('GET', '/ws/status')
  t.equal(empty.status, 200)
  t.match(empty.body, {
    running: true, host: '127.0.0.1', port, active_connections: 0, pending_callbacks: 0, users: 0, channels: 0, version: /^\d+\.\d+\.\d+/, node_id: /^[\da-f-]{36}$/
  })
  const [alice] = await Promise.all([server.connect('alice'), server.connect('alice'), server.connect('bob')])
  await alice.request({ type: 'subscribe', channel_ids: ['room-1', 'room-2'] })
  const { id } = await askStored(server, 'alice')
  const busy = await server.rest('GET', '/ws/status')
  t.match(busy.body, { active_connections: 3, pending_callbacks: 1, users: 2, channels: 2, node_id: empty.body.node_id })
  t.ok(busy.body.uptime_s >= empty.body.uptime_s)
  t.match(server.app.ws.getStatus(), { ...busy.body, uptime_s: Number }, 'the same as the app sees')
  await server.app.ws.confirmations.cancel(id)
  t.equal((await server.rest('GET', '/ws/status')).body.pending_callbacks, 0)
})

t.test('a server that does not listen yet is not running in the status', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wsPlugin, { jwt: { secret: SECRET } })
  await app.ready()
  const headers = { authorization: `Bearer ${app.jwt.sign({ sub: 'admin', roles: ['ws:admin'] }, { expiresIn: '1h' })}` }
  const { statusCode, body } = await app.inject({ url: '/ws/status', headers })
  t.equal(statusCode, 200)
  t.match(JSON.parse(body), { running: false, host: null, port: null })
})

t.test('health needs no token and reveals nothing else', async (t) => {
  const server = await startApp(t, { authorize: () => false })
  const health = await server.rest('GET', '/ws/health', { as: null })
  t.equal(health.status, 200)
  t.match(health.body, { status: 'healthy' })
  t.same(Object.keys(health.body).sort(), ['status', 'uptime_s'])
})

t.test('health is 503 while the server closes, so that load balancers go elsewhere', async (t) => {
  for (const return503OnClosing of [false, true]) {
    const server = await startApp(t, { closeTimeoutMs: 2_000 }, { fastify: { return503OnClosing } })
    const alice = await server.connect('alice')
    // On a connection that is there before the server closes.
    t.equal((await server.rest('GET', '/ws/health')).status, 200)
    // A client that does not answer the close frame holds the closing up.
    alice.socket.pause()
    const closing = server.app.close()
    while (server.app.ws.getHealth().status === 'healthy') await new Promise((resolve) => setImmediate(resolve))
    const { status, body } = await server.rest('GET', '/ws/health')
    t.equal(status, 503)
    if (!return503OnClosing) t.match(body, { status: 'closing', uptime_s: Number })
    alice.socket.resume()
    t.equal((await alice.closed).code, 1001)
    await closing
  }
})

t.test('the status needs permission', async (t) => {
  const server = await startApp(t)
  t.match(await server.rest('GET', '/ws/status', { as: null }), { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
  t.match(await server.rest('GET', '/ws/status', { as: 'alice' }), { status: 403, body: { code: 'WSM_ERR_FORBIDDEN' } })
})
