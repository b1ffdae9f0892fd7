import { once } from 'node:events'
import { connect as connectHttp2, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import type { FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { startApp, type AppOptions, type TestApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { askStored, questionRead } from '../fixtures/questions.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'

const MAX = 3
const limits = { maxPendingRequests: MAX }
const TOO_MANY = { status: 429, body: { code: 'WSM_ERR_TOO_MANY_PENDING' } }

/** A handler that ends when it is told to. */
class SlowHandler {
  readonly gate = new Gate()
  readonly signals: AbortSignal[] = []

  readonly after: AppOptions['after'] = ({ ws }) => ws.handle('app.slow', { schema: Type.Object({}), rest: true }, async (_message, { signal }) => {
    this.signals.push(signal)
    await this.gate.wait()
  })

  running (count: number): Promise<void> {
    return until(() => this.signals.length === count)
  }
}

const callOf = (server: TestApp, as = 'alice', options: { headers?: Record<string, string> } = {}) => server.rest('POST', '/ws/call/app.slow', { as, body: {}, ...options })

t.test('a user\'s requests are limited: one more is told to wait, and other users are not affected', async (t) => {
  const slow = new SlowHandler()
  const server = await startApp(t, { limits }, slow)
  const answers = Array.from({ length: MAX }, () => callOf(server))
  await slow.running(MAX)
  for (const [method, path] of [['POST', '/ws/call/app.slow'], ['GET', '/ws/confirmations'], ['POST', '/ws/tickets']] as const) {
    const refused = await server.rest(method, path, { as: 'alice', ...(path.includes('call') && { body: {} }) })
    t.match(refused, TOO_MANY)
    t.equal(refused.headers.get('retry-after'), '1')
    t.match(refused.body.message, /^3 requests of this caller/)
  }
  t.equal(server.app.ws.getStatus().rejected.pending_requests, 3)
  t.equal((await server.rest('GET', '/ws/confirmations', { as: 'bob' })).status, 200)
  for (const path of ['/ws/health', '/ws/ready']) t.equal((await server.rest('GET', path, { as: 'alice' })).status, 200)
  slow.gate.open()
  for (const answer of answers) t.equal((await answer).status, 200)
  t.equal((await server.rest('GET', '/ws/confirmations', { as: 'alice' })).status, 200)
})

t.test('a user\'s running requests keep their slots when another one ends', async (t) => {
  const gates = Array.from({ length: MAX + 1 }, () => new Gate())
  let begun = 0
  const server = await startApp(t, { limits }, {
    after: ({ ws }) => ws.handle('app.slow', { schema: Type.Object({}), rest: true }, () => gates[begun++]!.wait())
  })
  const answers = Array.from({ length: MAX }, () => callOf(server))
  await until(() => begun === MAX)
  gates[0]!.open()
  await Promise.race(answers)
  answers.push(callOf(server))
  await until(() => begun === MAX + 1)
  t.match(await callOf(server), TOO_MANY)
  for (const gate of gates) gate.open()
  await Promise.all(answers)
})

t.test('a caller who hangs up keeps the slot while the handler runs', async (t) => {
  const slow = new SlowHandler()
  const server = await startApp(t, { limits }, slow)
  const calls = Array.from({ length: MAX }, () => server.begin('POST', '/ws/call/app.slow', { as: 'alice', body: {} }))
  await slow.running(MAX)
  for (const call of calls) call.hangUp()
  await until(() => slow.signals.every(({ aborted }) => aborted))
  t.match(await callOf(server), TOO_MANY)
  slow.gate.open()
  await until(async () => (await server.rest('GET', '/ws/confirmations', { as: 'alice' })).status === 200)
})

t.test('a user whose connection ended during authentication has all slots', async (t) => {
  const gate = new Gate()
  let asked = 0
  const authenticate = async () => {
    asked++
    await gate.wait()
    return { id: 'alice' }
  }
  const server = await startApp(t, { limits, jwt: undefined, authenticate }, { before: (app) => { app.decorate('jwt', {} as never) } })
  const get = () => server.begin('GET', '/ws/confirmations', { as: null })
  const calls = Array.from({ length: MAX }, get)
  await until(() => asked === MAX)
  for (const call of calls) call.hangUp()
  server.hangUp()
  await until(async () => await new Promise((resolve) => { server.app.server.getConnections((_error, count) => resolve(count === 0)) }))
  gate.open()
  await until(async () => (await get().answer).status === 200)
  const together = await Promise.all(Array.from({ length: MAX }, () => get().answer))
  t.same(together.map(({ status }) => status), [200, 200, 200])
})

/** Requests on one connection of HTTP/1.1, none of which waits for an answer; what came, as text, when it is over. */
async function pipeline (t: Test, server: TestApp, count: number, headers: string): Promise<{ socket: Socket, received: Promise<string> }> {
  const { socket } = await RawClient.to(t, server)
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.write(`GET /ws/confirmations HTTP/1.1\r\nhost: a\r\n${headers}\r\n`.repeat(count))
  return { socket, received: once(socket, 'close').then(() => Buffer.concat(chunks).toString()) }
}

/** An app that takes its time to say who somebody is. */
async function slowToIdentify (t: Test, fastify: FastifyServerOptions = {}) {
  const gate = new Gate()
  const server = await startApp(t, { limits, jwt: undefined, authenticate: async () => { await gate.wait(); return null } }, {
    fastify, before: (app) => { app.decorate('jwt', {} as never) }
  })
  return { server, gate, refused: () => server.app.ws.getStatus().rejected.pending_requests }
}

t.test('a connection has a limit of requests, whoever sends them, and ends with the refusal', async (t) => {
  const { server, gate, refused } = await slowToIdentify(t)
  const { received } = await pipeline(t, server, MAX + 1, '')
  await until(() => refused() === 1)
  gate.open()
  const text = await received
  t.same(text.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 401', 'HTTP/1.1 401', 'HTTP/1.1 401', 'HTTP/1.1 429'])
  t.match(text.slice(text.indexOf('429')), /connection: close/i)
})

t.test('a connection that ignores refusals is cut, and its pending work ends', async (t) => {
  const server = await startApp(t, { limits })
  const { id } = await askStored(server, 'alice')
  const read = questionRead(t)
  const { socket } = await RawClient.to(t, server)
  const head = `GET /ws/confirmations/${id}?wait=60 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${server.token('alice')}\r\n\r\n`
  socket.write(head.repeat(MAX))
  await read
  const closed = once(socket, 'close')
  socket.write(head.repeat(MAX + 1))
  await closed
  // The user's places are free again, those of the answers that were queued behind others, too.
  await until(async () => (await Promise.all(Array.from({ length: MAX }, () => server.rest('GET', '/ws/confirmations', { as: 'alice' })))).every(({ status }) => status === 200))
})

/** A stream of a session: its answer, or null where it was reset. */
async function stream (session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string): Promise<{ status: number, headers: OutgoingHttpHeaders } | null> {
  const request = session.request({ ...(body !== undefined && { ':method': 'POST', 'content-type': 'application/json' }), ...headers })
  request.on('error', () => {})
  request.end(body)
  const answer = once(request, 'response').then(([head]) => head, () => null)
  request.resume()
  const head = await Promise.race([answer, once(request, 'close').then(() => null, () => null)])
  return head === null ? null : { status: head[':status'], headers: head }
}

t.test('over HTTP/2 a session counts as a connection', async (t) => {
  const { server, gate, refused } = await slowToIdentify(t, { http2: true } as FastifyServerOptions)
  const session = connectHttp2(server.origin)
  t.teardown(() => session.destroy())
  const first = Array.from({ length: MAX }, () => stream(session, { ':path': '/ws/confirmations' }))
  const second = await stream(session, { ':path': '/ws/confirmations' })
  t.match(second, { status: 429, headers: { 'retry-after': '1', connection: undefined } })
  t.equal(refused(), 1)
  gate.open()
  for (const answer of first) t.match(await answer, { status: 401 })
  t.match(await stream(session, { ':path': '/ws/confirmations' }), { status: 401 }, 'it goes on')
})

t.test('over HTTP/2 a handler is told of a reset stream, and not of a sent response', async (t) => {
  const slow = new SlowHandler()
  const server = await startApp(t, { limits }, { ...slow, fastify: { http2: true } as FastifyServerOptions })
  const session = connectHttp2(server.origin)
  t.teardown(() => session.destroy())
  const authorization = `Bearer ${server.token('alice')}`
  const request = session.request({ ':method': 'POST', ':path': '/ws/call/app.slow', authorization, 'content-type': 'application/json' })
  request.on('error', () => {})
  request.end('{}')
  const answered = stream(session, { ':path': '/ws/call/app.slow', authorization }, '{}')
  await slow.running(2)
  request.close(8)
  await until(() => slow.signals.some(({ aborted }) => aborted))
  slow.gate.open()
  t.match(await answered, { status: 200 })
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  t.equal(slow.signals.filter(({ aborted }) => aborted).length, 1)
})

t.test('over HTTP/2 a stream that was reset while a hook of the host ran takes no place', async (t) => {
  const gate = new Gate()
  let waiting = 0
  const server = await startApp(t, { limits }, {
    fastify: { http2: true } as FastifyServerOptions,
    before: (app) => {
      app.addHook('onRequest', async () => {
        waiting++
        await gate.wait()
      })
    }
  })
  const session = connectHttp2(server.origin)
  t.teardown(() => session.destroy())
  const authorization = `Bearer ${server.token('alice')}`
  const ended = Array.from({ length: MAX }, () => {
    const request = session.request({ ':path': '/ws/confirmations', authorization })
    request.on('error', () => {})
    request.end()
    return request
  })
  await until(() => waiting === MAX)
  await Promise.all(ended.map(async (request) => {
    const closed = once(request, 'close')
    request.close(8)
    await closed
  }))
  // Its answer comes behind the resets.
  await new Promise<void>((resolve) => { session.ping(() => resolve()) })
  gate.open()
  for (let n = 0; n < MAX; n++) t.match(await stream(session, { ':path': '/ws/confirmations', authorization }), { status: 200 })
})

t.test('requests on one connection leave no listener on it', async (t) => {
  const server = await startApp(t)
  const sockets: Socket[] = []
  server.app.server.on('connection', (socket) => sockets.push(socket))
  const counts: number[] = []
  for (let n = 0; n < 20; n++) {
    t.equal((await server.rest('GET', '/ws/confirmations', { as: 'alice' })).status, 200)
    counts.push(Math.max(...sockets.map((socket) => socket.listenerCount('close'))))
  }
  t.equal(new Set(counts.slice(1)).size, 1, counts.join())
})

t.test('a caller who hangs up while hooks of the host run leaves no slot taken', async (t) => {
  const gate = new Gate()
  let waiting = 0
  const server = await startApp(t, { limits }, {
    before: (app) => {
      app.addHook('onRequest', async ({ headers }) => {
        if (headers.slow === undefined) return
        waiting++
        await gate.wait()
      })
    }
  })
  const calls = Array.from({ length: MAX * 3 }, () => server.begin('GET', '/ws/confirmations', { as: 'alice', headers: { slow: '1' } }))
  await until(() => waiting === calls.length)
  for (const call of calls) call.hangUp()
  server.hangUp()
  await until(async () => await new Promise((resolve) => { server.app.server.getConnections((_error, count) => resolve(count === 0)) }))
  gate.open()
  await until(async () => (await server.rest('GET', '/ws/confirmations', { as: 'alice' })).status === 200)
  const together = await Promise.all(Array.from({ length: MAX }, () => server.rest('GET', '/ws/confirmations', { as: 'alice' })))
  t.same(together.map(({ status }) => status), [200, 200, 200])
})

t.test('work that begins after its caller has hung up counts, and a revocation waits for it', async (t) => {
  const gate = new Gate()
  const slow = new SlowHandler()
  let waiting = 0
  const server = await startApp(t, { limits }, {
    before: (app) => {
      app.addHook('preHandler', async ({ url }) => {
        if (!url.includes('/call/')) return
        waiting++
        await gate.wait()
      })
    },
    after: slow.after
  })
  const begun: ReturnType<TestApp['begin']>[] = []
  // Each frees its place by hanging up, so that more can wait than may work.
  for (let n = 1; n <= MAX + 2; n++) {
    begun.push(server.begin('POST', '/ws/call/app.slow', { as: 'alice', body: {} }))
    await until(() => waiting === n)
    begun.at(-1)!.hangUp()
    await until(async () => (await server.rest('GET', '/ws/confirmations', { as: 'alice' })).status === 200)
  }
  gate.open()
  await until(() => server.app.ws.getStatus().rejected.pending_requests === 2)
  await slow.running(MAX)
  t.match(await callOf(server), TOO_MANY)
  let isOver = false
  const revoked = server.app.ws.revoke({ userId: 'alice' }).finally(() => { isOver = true })
  await until(() => slow.signals.every(({ aborted }) => aborted))
  t.equal(isOver, false)
  slow.gate.open()
  t.match(await revoked, { complete: true })
})
