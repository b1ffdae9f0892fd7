import { EventEmitter, once } from 'node:events'
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { UnfinishedRequests } from '../../lib/http/unfinished-requests.js'
import { startApp, type AppOptions, type TestApp } from '../fixtures/app.js'
import { selfSigned } from '../fixtures/certificate.js'
import { Gate } from '../fixtures/gate.js'

/** The two ways to serve HTTP/2; over TLS with HTTP/1.1 on the same port. */
const kinds = {
  h2: () => ({ http2: true, https: { ...selfSigned(), allowHTTP1: true } }),
  h2c: () => ({ http2: true })
}

async function start (t: Test, kind: keyof typeof kinds, options: WsPluginOptions = {}, app: AppOptions = {}): Promise<TestApp> {
  return startApp(t, options, { ...app, fastify: { ...kinds[kind](), ...app.fastify } })
}

async function session (t: Test, server: TestApp): Promise<ClientHttp2Session> {
  const client = connect(server.origin, { rejectUnauthorized: false })
  t.teardown(() => client.destroy())
  client.on('error', () => {})
  await once(client, 'connect')
  return client
}

async function answer (stream: ClientHttp2Stream): Promise<{ status: number, body: string }> {
  stream.on('error', () => {})
  const [headers] = await once(stream, 'response')
  const chunks = await stream.toArray()
  return { status: headers[':status'], body: Buffer.concat(chunks).toString() }
}

/** Ends are noticed some turns later; the caller then says what it expected. */
async function turnsUntil (isDone: () => boolean): Promise<void> {
  const end = performance.now() + 5_000
  while (!isDone() && performance.now() < end) await new Promise((resolve) => setImmediate(resolve))
}

async function closes (t: Test, server: TestApp): Promise<void> {
  const start = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => { timer = setTimeout(resolve, 6_000, 'late') })
  t.not(await Promise.race([server.app.close(), late]), 'late', `app.close() took ${(performance.now() - start).toFixed(0)} ms`)
  clearTimeout(timer)
}

for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
  t.test(`${kind}: a GET of the socket's route is 426, and other routes are not affected`, async (t) => {
    const server = await start(t, kind)
    const client = await session(t, server)
    for (const path of ['/ws', '/ws?ticket=x', '/ws']) {
      const { status, body } = await answer(client.request({ ':path': path }))
      t.equal(status, 426)
      t.match(JSON.parse(body), { statusCode: 426, code: 'WSM_ERR_UPGRADE_REQUIRED' })
    }
    t.equal((await answer(client.request({ ':path': '/ws/health' }))).status, 200)
  })

  t.test(`${kind}: an extended CONNECT (RFC 8441) is refused, whether or not the server offers it`, async (t) => {
    for (const settings of [{}, { enableConnectProtocol: true }]) {
      const fastify = kind === 'h2' ? { http2: true, https: { ...kinds.h2().https, settings } } : { http2: true, http: { settings } }
      const server = await startApp(t, {}, { fastify: fastify as object })
      const client = await session(t, server)
      if (client.remoteSettings === undefined || Object.keys(client.remoteSettings).length === 0) await once(client, 'remoteSettings')
      // Node's client sends it whatever the server offers.
      const stream = client.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/ws', ':authority': 'x', authorization: `Bearer ${server.token('alice')}` })
      const outcome = await answer(stream).then(({ status }) => status, () => 'refused')
      t.ok(outcome === 405 || outcome === 'refused', `${JSON.stringify(settings)}: ${outcome}`)
      const fresh = await session(t, server)
      t.equal((await answer(fresh.request({ ':path': '/ws/health' }))).status, 200)
      t.equal(server.app.ws.getConnectionCount(), 0)
    }
  })

  t.test(`${kind}: half-sent requests and idle sessions do not delay the close`, async (t) => {
    const server = await start(t, kind, { closeTimeoutMs: 200 })
    const idle = await session(t, server)
    await answer(idle.request({ ':path': '/ws/health' }))
    const client = await session(t, server)
    for (const path of ['/ws/broadcast', '/ws/tickets', '/ws/call/x.y']) {
      for (const headers of [{}, { authorization: `Bearer ${server.token('admin', { roles: ['ws:admin'] })}` }]) {
        const stream = client.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json', 'content-length': '1000', ...headers }, { endStream: false })
        stream.on('error', () => {})
        stream.write('{')
      }
    }
    // What was sent before has arrived.
    await answer(client.request({ ':path': '/ws/health' }))
    const { port } = new URL(server.origin)
    const halves: Socket[] = []
    for (const bytes of ['', '\x16\x03\x01', 'PRI * HTTP/2.0\r\n', 'GET /w']) {
      const socket = connectTcp(Number(port), '127.0.0.1')
      t.teardown(() => socket.destroy())
      socket.on('error', () => {})
      await once(socket, 'connect')
      await new Promise((resolve) => socket.write(bytes, resolve))
      halves.push(socket)
    }
    const ends = [idle, client].map((each) => once(each, 'close'))
    await closes(t, server)
    await Promise.all(ends)
  })

  t.test(`${kind}: no client that is slow to send or read delays the close, whatever the route`, async (t) => {
    const big = 'x'.repeat(8_000_000)
    const server = await start(t, kind, { closeTimeoutMs: 100 }, { after: (app) => { app.get('/big', async () => big).post('/own', async () => 'read') } })
    for (const path of ['/%77s/broadcast', '//ws/broadcast', '/ws/nothing', '/nothing', '/own']) {
      const client = await session(t, server)
      const stream = client.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' }, { endStream: false })
      stream.on('error', () => {})
      stream.write('{')
      await answer(client.request({ ':path': '/ws/health' }))
    }
    const shut = connect(server.origin, { rejectUnauthorized: false, settings: { initialWindowSize: 0 } })
    t.teardown(() => shut.destroy())
    shut.on('error', () => {})
    await once(shut, 'connect')
    const unread = await session(t, server)
    for (const [client, path] of [[shut, '/ws/health'], [unread, '/big']] as const) {
      const stream = client.request({ ':path': path })
      stream.on('error', () => {}).pause()
      await once(stream, 'response')
    }
    // One that reads nothing at all any more, not even that its session ends.
    const address = { port: Number(new URL(server.origin).port), host: '127.0.0.1' }
    const socket = kind === 'h2' ? connectTls({ ...address, rejectUnauthorized: false, ALPNProtocols: ['h2'] }) : connectTcp(address)
    const deaf = connect(server.origin, { createConnection: () => socket, settings: { initialWindowSize: 2 ** 30 } })
    t.teardown(() => socket.destroy())
    deaf.on('error', () => {})
    deaf.once('connect', () => deaf.setLocalWindowSize(2 ** 30))
    const stream = deaf.request({ ':path': '/big' })
    stream.on('error', () => {})
    await once(stream, 'response')
    socket.pause()
    // Which waits for every connection.
    await closes(t, server)
  })

  t.test(`${kind}: requests to the app's own routes are answered, and the session ends after them`, async (t) => {
    const gate = new Gate()
    const over = new Gate()
    const server = await start(t, kind, { closeTimeoutMs: 100 }, {
      after: (app) => {
        // Asked behind the plugin's own.
        app.addHook('preClose', () => over.wait())
        app.get('/slow', async () => {
          await gate.wait()
          return 'x'.repeat(300_000)
        })
        app.post('/begun', async (request, reply) => {
          reply.raw.writeHead(200).write('begun,')
          reply.hijack()
          await gate.wait()
          reply.raw.end(`read ${request.body}`)
        }).addContentTypeParser('text/begun', (_request: unknown, _payload: unknown, done: (error: null, body: string) => void) => { done(null, 'later') })
      }
    })
    const client = await session(t, server)
    const slow = answer(client.request({ ':path': '/slow' }))
    // It has ended its request with a frame that nobody reads.
    const ended = client.request({ ':path': '/slow' }, { endStream: false })
    ended.end()
    const slowly = answer(ended)
    const begun = client.request({ ':method': 'POST', ':path': '/begun', 'content-type': 'text/begun' }, { endStream: false })
    begun.write('x')
    // Its request is never ended, so its stream is reset behind the answer.
    let begins = ''
    begun.setEncoding('utf8').on('data', (text) => { begins += text }).on('error', () => {})
    const begunEnded = once(begun, 'end')
    await once(begun, 'response')
    await answer(client.request({ ':path': '/ws/health' }))
    const closed = closes(t, server)
    await over.reached
    // What connects from here on is cut.
    const late = connectTcp(Number(new URL(server.origin).port), '127.0.0.1')
    late.on('error', () => {}).resume()
    await new Promise((resolve) => late.once('close', resolve))
    over.open()
    gate.open()
    const { status, body } = await slow
    t.equal(status, 200)
    t.equal(body.length, 300_000)
    t.equal((await slowly).body.length, 300_000)
    await begunEnded
    t.equal(begins, 'begun,read later')
    // Which waits for every connection.
    await closed
  })
}

t.test('nothing is kept of answered or abandoned requests; one entry per session and one per connection', async (t) => {
  for (const [kind, ofSession] of [['h2', 2], ['h2c', 2]] as const) {
    const app = Fastify({ ...kinds[kind](), logger: false } as object) as unknown as ReturnType<typeof Fastify>
    t.teardown(() => app.close())
    const requests = new UnfinishedRequests(app.server as Server, 1_000, () => {})
    app.post('/echo', async (request: { body: unknown }) => request.body)
    app.get('/never', () => new Promise(() => {}))
    await app.listen({ port: 0, host: '127.0.0.1' })
    const server = { origin: app.listeningOrigin } as TestApp
    const client = await session(t, server)
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 50 }, async () => {
        const stream = client.request({ ':method': 'POST', ':path': '/echo', 'content-type': 'application/json' })
        stream.end('{"a":1}')
        t.equal((await answer(stream)).status, 200)
      }))
      const given = client.request({ ':path': '/never' })
      given.on('error', () => {})
      given.close(8)
      await once(given, 'close')
      await answer(client.request({ ':path': '/nowhere' }))
    }
    await turnsUntil(() => requests.size === ofSession)
    t.equal(requests.size, ofSession)
    const ended = once(client, 'close')
    client.close()
    await ended
    await turnsUntil(() => requests.size === 0)
    t.equal(requests.size, 0)
  }
})

t.test('nothing is kept of a request that was dispatched by hand', (t) => {
  const server = createServer()
  const requests = new UnfinishedRequests(server, 1_000, () => {})
  server.emit('request', { socket: new PassThrough() } as unknown as IncomingMessage, new EventEmitter() as ServerResponse)
  t.equal(requests.size, 0)
  t.end()
})
