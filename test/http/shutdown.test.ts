import fastifyWebsocket from '@fastify/websocket'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { createHook } from 'node:async_hooks'
import { connect as connectTcp } from 'node:net'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import wsPlugin, { type WsPluginOptions } from '../../lib/index.js'
import { SECRET, TestApp, startApp, type AppOptions } from '../fixtures/app.js'
import { selfSigned } from '../fixtures/certificate.js'
import { Gate } from '../fixtures/gate.js'
import { RawClient } from '../fixtures/raw-client.js'
import { forge } from '../fixtures/tokens.js'
import { Confirmations } from '../../lib/confirmations/confirmations.js'
import { MemoryConfirmationStore } from '../../lib/engine/memory/confirmations.js'

/** Far above the bounds of these tests, and far below the 30 s that ws itself would wait. */
const BOUND_MS = 4_000

/** Closes the app; fails where that takes longer than anything here should. */
async function closes (t: Test, close: () => Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => { timer = setTimeout(resolve, BOUND_MS, 'late') })
  t.not(await Promise.race([close(), late]), 'late', 'app.close() is bounded')
  clearTimeout(timer)
}

/** A server that a stubborn client keeps from closing until `release`. */
async function closing (t: Test, options: WsPluginOptions = {}, app: AppOptions = {}) {
  const server = await startApp(t, { closeTimeoutMs: 60_000, ...options }, app)
  const stubborn = await RawClient.open(t, server, 'stubborn')
  const start = async () => {
    const closed = server.app.close()
    t.equal(await stubborn.closeCode(), 1001)
    return { closed }
  }
  return { server, start, release: () => stubborn.reset() }
}

t.test('every client gets 1001 on shutdown, whatever its state', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true } }, { after: (app) => app.ws.endpoint('/desk', { channels: ['desk'], authorize: () => true }) })
  const heard: unknown[] = []
  server.app.ws.on('client_disconnected', ({ client, code }) => { heard.push([client.user?.id, code, server.app.ws.getHealth().status]) })
  const clients = [await server.connect('alice'), await server.connect('bob', { path: '/desk' }), await server.dial('carol', { token: null }).opened()]
  t.equal(server.app.ws.getHealth().status, 'healthy')
  await server.app.close()
  for (const client of clients) t.same(await client.closed, { code: 1001, reason: 'The server is closing' })
  t.same(heard.sort(), [['alice', 1001, 'closing'], ['bob', 1001, 'closing']], 'carol never was announced')
  t.match(server.app.ws.getStatus(), { running: false, active_connections: 0, users: 0, channels: 0 })
})

t.test('every client gets its own reconnect delay within the window', async (t) => {
  const server = await startApp(t, { drain: { windowMs: 1_000_000 } })
  const clients = await Promise.all(Array.from({ length: 8 }, (_, n) => server.connect(`user-${n}`)))
  await server.app.close()
  const delays = await Promise.all(clients.map((client) => client.next('reconnect').then(({ after_ms: ms }) => ms)))
  t.ok(delays.every((ms) => Number.isInteger(ms) && ms >= 0 && ms <= 1_000_000))
  t.equal(new Set(delays).size, 8)
})

t.test('final messages cannot delay the close of a server', async (t) => {
  const server = await startApp(t, { drain: { timeoutMs: 20 } })
  const client = await server.connect('alice')
  t.intercept(MemoryConfirmationStore.prototype, 'settle', { value: () => new Promise(() => {}) })
  const asked = server.app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task' })
  const interrupted = t.rejects(asked, { code: 'WSM_ERR_WAIT_INTERRUPTED' })
  await client.next('task_step_result')
  await server.app.close()
  t.equal((await client.closed).code, 1001)
  await interrupted
  t.ok(server.logs.some(({ msg }) => String(msg).includes('drain.timeoutMs')), 'the log says that they are missing')
})

t.test('open questions end before the sockets close', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice')
  const asked = server.app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task' })
  await client.next('task_step_result')
  await server.app.close()
  t.match(await asked, { proceed: false, outcome: 'closed' })
  t.match(await client.next('confirmation_closed'), { outcome: 'closed' })
  t.equal((await client.closed).code, 1001)
})

t.test('a client that never answers the close frame is cut after closeTimeoutMs', async (t) => {
  const server = await startApp(t, { closeTimeoutMs: 50, auth: { firstFrame: true } })
  const client = await RawClient.open(t, server, 'alice')
  const waiting = await RawClient.to(t, server)
  waiting.upgrade('/ws')
  await waiting.response()
  await closes(t, () => server.app.close())
  for (const { closeCode, ended } of [client, waiting].map((client) => ({ closeCode: client.closeCode(), ended: client.ended }))) {
    t.equal(await closeCode, 1001)
    await ended
  }
})

t.test('an upgrade that hangs in a hook of the host does not delay the close', async (t) => {
  const gate = new Gate()
  const server = await startApp(t, {}, { before: (app) => { app.addHook('onRequest', async (request) => { if (request.url === '/ws') await gate.wait() }) } })
  const client = await RawClient.to(t, server)
  client.upgrade('/ws', { authorization: `Bearer ${server.token('alice')}` })
  await gate.reached
  await closes(t, () => server.app.close())
  await client.ended
  gate.open()
})

t.test('an upgrade whose key is never found does not delay the close', async (t) => {
  const gate = new Gate()
  const server = await startApp(t, { jwt: { secret: () => gate.wait() as never }, auth: { timeoutMs: 60_000 } })
  const client = await RawClient.to(t, server)
  client.upgrade('/ws', { authorization: `Bearer ${forge({ sub: 'alice' })}` })
  await gate.reached
  await closes(t, () => server.app.close())
  await client.ended
})

t.test('a refused socket that does not answer does not delay the close', async (t) => {
  const server = await startApp(t, { rejectMode: 'close', closeTimeoutMs: 50 })
  const client = await RawClient.to(t, server)
  client.upgrade('/ws')
  t.equal((await client.response()).status, 101)
  await closes(t, () => server.app.close())
  t.equal(await client.closeCode(), 4401)
  await client.ended
})

/** What is not all of a request: its connection waits for the rest. */
const beginnings = (server: TestApp) => [
  'GET /w',
  'GET /ws HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n',
  `POST /ws/tickets HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${server.token('alice')}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
  'POST /ws/broadcast HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{'
]

t.test('an unfinished request, of a socket or by REST, does not delay the close', async (t) => {
  const server = await startApp(t, { closeTimeoutMs: 100 })
  const clients = await Promise.all(beginnings(server).map(async (text) => {
    const client = await RawClient.to(t, server)
    client.socket.write(text)
    return client
  }))
  await server.rest('GET', '/ws/health')
  await closes(t, () => server.app.close())
  for (const { ended } of clients) await ended
})

t.test('an unfinished request does not delay the close of a plugin in a scope with a prefix, beside another scope with @fastify/websocket', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  let scoped!: FastifyInstance
  await app.register(async (scope) => {
    scoped = scope
    await scope.register(wsPlugin, { jwt: { secret: SECRET }, closeTimeoutMs: 50 })
  }, { prefix: '/api' })
  await app.register(async (scope) => { await scope.register(fastifyWebsocket) }, { prefix: '/own' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const server = new TestApp(scoped, [])
  const refused = await RawClient.to(t, server)
  refused.upgrade('/api/ws')
  t.equal((await refused.response()).status, 401)
  const clients = await Promise.all(beginnings(server).map(async (text) => {
    const client = await RawClient.to(t, server)
    client.socket.write(text.replace(' /ws', ' /api/ws'))
    return client
  }))
  await closes(t, () => app.close())
  for (const { ended } of [refused, ...clients]) await ended
})

t.test('an unfinished request over TLS does not delay the close', async (t) => {
  const server = await startApp(t, { closeTimeoutMs: 100 }, { fastify: { https: selfSigned() } as object })
  const socket = connect({ port: Number(new URL(server.origin).port), host: '127.0.0.1', rejectUnauthorized: false })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  const ended = new Promise((resolve) => socket.once('close', resolve))
  await new Promise((resolve) => socket.write(beginnings(server)[1]!, resolve))
  await closes(t, () => server.app.close())
  await ended
})

for (const kind of ['http', 'https']) {
  const fastify = () => (kind === 'https' ? { https: selfSigned() } as object : {})

  t.test(`${kind}: a client that is slow to send or read does not delay the close, whatever the route and its spelling`, async (t) => {
    const server = await startApp(t, { closeTimeoutMs: 50 }, {
      fastify: fastify(),
      after: (app) => { app.get('/big', async () => 'x'.repeat(8_000_000)).post('/own', async () => 'read').post('/wsown', async () => 'read') }
    })
    const halves = ['/ws/broadcast', '/%77s/broadcast', '//ws/broadcast', 'http://x/ws/broadcast', '/nothing', '/ws/nothing', '/own', '/wsown']
    const authorization = `Bearer ${server.token('admin', { roles: ['ws:admin'] })}`
    const clients = await Promise.all(halves.map(async (path) => {
      const client = await RawClient.to(t, server)
      client.socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`)
      const trickle = setInterval(() => client.socket.write(' '), 50)
      client.socket.once('close', () => clearInterval(trickle))
      return client
    }))
    const unread = await RawClient.to(t, server)
    unread.socket.write('GET /big HTTP/1.1\r\nhost: x\r\n\r\n')
    t.equal((await unread.response()).status, 200)
    unread.socket.pause()
    await server.rest('GET', '/ws/health')
    await closes(t, () => server.app.close())
    unread.socket.resume()
    for (const { ended } of [...clients, unread]) await ended
  })

  t.test(`${kind}: requests that the app is answering are not cut, and new connections are`, async (t) => {
    const gate = new Gate()
    const over = new Gate()
    const server = await startApp(t, { closeTimeoutMs: 50 }, {
      fastify: fastify(),
      after: (app) => {
        app.get('/slow', async () => {
          await gate.wait()
          return 'x'.repeat(300_000)
        })
        app.addContentTypeParser('text/begun', (_request: unknown, _payload: unknown, done: (error: null, body: string) => void) => { done(null, 'later') })
        app.post('/begun', async ({ body }, reply) => {
          reply.hijack()
          reply.raw.writeHead(200).write('begun,')
          await gate.wait()
          reply.raw.end(`read ${body}`)
        })
        app.addHook('preClose', () => over.wait())
      }
    })
    const slow = server.rest('GET', '/slow').catch(({ message }) => message)
    const begun = await RawClient.to(t, server)
    begun.socket.write('POST /begun HTTP/1.0\r\ncontent-type: text/begun\r\ncontent-length: 100\r\n\r\nx')
    t.equal((await begun.response()).status, 200)
    await gate.reached
    const closed = server.app.close()
    await over.reached
    const { port } = new URL(server.origin)
    const late = connectTcp({ port: Number(port), host: '127.0.0.1' })
    late.on('error', () => {}).resume()
    await new Promise((resolve) => late.once('close', resolve))
    over.open()
    gate.open()
    t.match(await slow, /JSON/, 'the answer, which is no JSON, is whole')
    await begun.ended
    await closed
  })
}

t.test('an upgrade while the server closes is 503', async (t) => {
  for (const rejectMode of ['http', 'close'] as const) {
    const { server, start, release } = await closing(t, { rejectMode })
    const { closed } = await start()
    const late = await RawClient.to(t, server)
    late.upgrade('/ws', { authorization: `Bearer ${server.token('alice')}` })
    const { status, head } = await late.response()
    t.equal(status, 503)
    t.match(head, /retry-after: \d+/i)
    await late.ended
    for (let i = 0; i < 20; i++) {
      const gone = await RawClient.to(t, server)
      gone.upgrade('/ws')
      gone.reset()
      await gone.ended
    }
    release()
    await closed
  }
})

t.test('an upgrade in progress when the close begins is 503', async (t) => {
  const gate = new Gate()
  const { server, start, release } = await closing(t, {}, {
    before: (app) => { app.addHook('onRequest', async (request) => { if (request.url === '/ws?late') await gate.wait() }) }
  })
  const late = await RawClient.to(t, server)
  late.upgrade('/ws?late', { authorization: `Bearer ${server.token('alice')}` })
  await gate.reached
  const { closed } = await start()
  gate.open()
  const { status } = await late.response()
  t.equal(status, 503)
  t.match(await late.body(), { statusCode: 503, code: 'WSM_ERR_UNAVAILABLE' })
  release()
  await closed
})

t.test('an upgrade admitted when the close begins is closed with 1001', async (t) => {
  const gate = new Gate()
  // With a preClose of its own the host keeps @fastify/websocket taking sockets.
  const { server, start, release } = await closing(t, {}, {
    before: async (app) => {
      app.addHook('preHandler', async (request) => { if (request.url === '/ws?late') await gate.wait() })
      await app.register(fastifyWebsocket, { preClose: (done: () => void) => done() })
    }
  })
  const late = await RawClient.to(t, server)
  late.upgrade('/ws?late', { authorization: `Bearer ${server.token('alice')}` })
  await gate.reached
  const { closed } = await start()
  gate.open()
  t.equal((await late.response()).status, 101)
  t.equal(await late.closeCode(), 1001)
  t.equal(server.app.ws.getConnectionCount(), 0)
  late.reset()
  release()
  await closed
})

/** Counts the timers made from now on that keep the process alive. */
function liveTimers (t: Test): () => number {
  const timers = new Map<number, NodeJS.Timeout>()
  const hook = createHook({
    init: (id, type, _trigger, resource) => { if (type === 'Timeout') timers.set(id, resource as NodeJS.Timeout) },
    destroy: (id) => { timers.delete(id) }
  }).enable()
  t.teardown(() => hook.disable())
  return () => [...timers.values()].filter((timer) => timer.hasRef()).length
}

t.test('no timer outlives the close', async (t) => {
  const live = liveTimers(t)
  const gate = new Gate()
  const secret = async (request: FastifyRequest) => {
    if (request.url === '/ws?hangs') await gate.wait()
    return SECRET
  }
  const server = await startApp(t, { jwt: { secret }, auth: { firstFrame: true, timeoutMs: 60_000 }, closeTimeoutMs: 60_000, rejectMode: 'close' })
  const clients = [
    await server.connect('alice', { token: forge({ sub: 'alice' }) }),
    await server.dial('bob', { token: null }).opened(),
    await server.dial('mallory', { token: 'bad' }).opened()
  ]
  const carol = await server.dial('carol', { token: null }).opened()
  await carol.request({ type: 'auth', token: forge({ sub: 'carol' }) })
  await server.app.ws.disconnect({ userId: 'carol' })
  const hanging = await RawClient.to(t, server)
  hanging.upgrade('/ws?hangs', { authorization: `Bearer ${forge({ sub: 'dave' })}` })
  await gate.reached
  t.ok(live() >= 3, 'the heartbeat, the first frame that bob owes, the key of dave')
  await server.app.close()
  for (const client of [...clients, carol]) await client.closed
  await hanging.ended
  await new Promise((resolve) => setImmediate(resolve))
  t.same(live(), 0)
})

t.test('no timer begun while the server closes outlives the close', async (t) => {
  const live = liveTimers(t)
  const gate = new Gate()
  const server = await startApp(t, { auth: { timeoutMs: 60_000 }, drain: { timeoutMs: 300 }, authorizeSubscribe: () => gate.wait().then(() => true) })
  const client = await server.connect('alice')
  const closing = new Gate()
  t.intercept(Confirmations.prototype, 'close', { value: () => closing.wait() })
  const closed = server.app.close()
  await closing.reached
  const report = server.app.ws.sendToUser('alice', { type: 'x.y' }, { ack: { timeoutMs: 60_000 } })
  await client.next('x.y')
  client.send({ type: 'subscribe', channel_ids: ['room'], id: 1 })
  await gate.reached
  await closed
  t.match(await report, { acked: [], missing: [client.id] })
  await new Promise((resolve) => setImmediate(resolve))
  t.same(live(), 0)
})

t.test('closing twice has the effect of closing once', async (t) => {
  const { server, start, release } = await closing(t)
  const { closed } = await start()
  const again = server.app.close()
  release()
  await Promise.all([closed, again])
  await server.app.close()
})

t.test('a part whose final messages fail does not keep the others open', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice')
  t.intercept(Confirmations.prototype, 'close', { value: async () => { throw new Error('the store is out of reach') } })
  await server.app.close()
  t.equal((await client.closed).code, 1001)
  t.match(server.logs.filter(({ level }) => level >= 50), [{ msg: 'shutdown continues without all final messages', err: { message: 'the store is out of reach' } }])
})
