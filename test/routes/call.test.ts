import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Type } from '@sinclair/typebox'
import fastifySwagger from '@fastify/swagger'
import Fastify from 'fastify'
import t from 'tap'
import wsPlugin, { AppError, errors } from '../../lib/index.js'
import { withDetails } from '../../lib/wire-error.js'
import { protocol, startApp, type AppOptions, type RestOptions } from '../fixtures/app.js'
import { decompressBodies } from '../fixtures/decompression.js'
import { Gate } from '../fixtures/gate.js'
import { until } from '../fixtures/until.js'

const SECRET = 'postgres://root:hunter2@10.0.0.7'
const open = Type.Object({})

/** Answers that JSON leaves out. */
const leftOut = { function: () => {}, symbol: Symbol('x'), absent: { toJSON: () => {} } }

t.test('a handler replies and fails by REST as it does by socket', async (t) => {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 1_000 } }, {
    after: ({ ws }) => {
      const rest = true
      ws.handle('same.add', { schema: Type.Object({ a: Type.Number(), b: Type.Number() }, { additionalProperties: false }), reply: Type.Object({ sum: Type.Number() }), rest },
        ({ a, b }) => ({ sum: a + b, more: 'than the schema names' }))
      ws.handle('same.echo', { schema: open, rest }, async ({ id, ...message }) => message)
      ws.handle('same.nothing', { schema: open, rest }, () => {})
      ws.handle('same.list', { schema: open, reply: Type.Array(Type.Union([Type.String(), Type.Object({ n: Type.Number() })])), rest }, () => ['x', { n: 1 }])
      ws.handle('same.union', { schema: Type.Union([Type.Object({ a: Type.Number() }, { additionalProperties: false }), Type.Object({ b: Type.Number() }, { additionalProperties: false })]), rest }, () => 'fits')
      ws.handle('same.typed', { schema: Type.Object({ type: Type.Literal('same.typed'), n: Type.Number() }), rest }, ({ type, n }) => [type, n])
      ws.handle('same.early', { schema: open, reply: Type.String(), rest }, (_message, { reply }) => reply('early'))
      ws.handle('same.forbidden', { schema: open, authorize: () => false, rest }, () => SECRET)
      ws.handle('same.hook', { schema: open, authorize: () => { throw new Error(SECRET) }, rest }, () => SECRET)
      ws.handle('same.missing', { schema: open, rest }, () => { throw withDetails(new errors.NotFoundError('No such room'), { room: 7 }) })
      ws.handle('same.later', { schema: open, rest }, () => { throw new errors.UnavailableError('Come back later') })
      ws.handle('same.broken', { schema: open, rest }, async () => { throw new Error(SECRET) })
      ws.handle('same.status', { schema: open, rest }, () => { throw Object.assign(new Error(SECRET), { statusCode: 502, code: 'E_UPSTREAM' }) })
      ws.handle('same.own', { schema: open, rest }, () => { throw new AppError('NO_CREDIT', 'None left', { statusCode: 402, details: { left: 0 } }) })
      ws.handle('same.namesake', { schema: open, rest }, () => { throw new AppError('FST_ERR_CTP_OWN', 'A code as of a body', { statusCode: 413 }) })
      ws.handle('same.developer', { schema: open, rest }, () => { throw new errors.InvalidOptionError('jwt', SECRET) })
      ws.handle('same.text', { schema: open, rest }, () => { throw SECRET })
      ws.handle('same.wrong', { schema: open, reply: Type.Number(), rest }, () => SECRET as unknown as number)
      ws.handle('same.bigint', { schema: open, rest }, () => 1n)
      for (const [name, answer] of Object.entries(leftOut)) {
        ws.handle(`same.${name}`, { schema: open, rest }, () => answer)
        ws.handle(`late.${name}`, { schema: open, rest }, async () => answer)
        ws.handle(`early.${name}`, { schema: open, rest }, (_message, { reply }) => reply(answer))
        ws.handle(`checked.${name}`, { schema: open, reply: Type.Null(), rest }, () => answer as unknown as null)
      }
      ws.handle('same.date', { schema: open, rest }, () => new Date(0))
      ws.handle('same.named', { schema: open, rest }, () => Object.assign(() => {}, { toJSON: () => 'a function of that name' }))
      ws.handle('same.outbound', { schema: open, rest }, () => ws.broadcast({ from: SECRET }))
    }
  })
  const client = await server.connect('alice')
  const cases: Array<[string, object, number]> = [
    ['same.add', { a: 1, b: 2 }, 200],
    ['same.add', { a: 1, b: '2' }, 400],
    ['same.add', { a: 1 }, 400],
    ['same.add', { a: 1, b: 2, c: 3 }, 400],
    ['same.add', { a: 1, b: 2, action: 'other' }, 400],
    ['same.echo', { text: 'ü \u2028', list: [1, null, { x: false }], deep: { er: 1e21 } }, 200],
    ['same.nothing', {}, 200],
    ['same.list', {}, 200],
    ['same.union', { b: 1 }, 200],
    ['same.union', { a: 1, b: 1 }, 400],
    ['same.typed', { n: 1 }, 200],
    ['same.early', {}, 200],
    ['same.forbidden', {}, 403],
    ['same.hook', {}, 503],
    ['same.missing', {}, 404],
    ['same.later', {}, 503],
    ['same.broken', {}, 500],
    ['same.status', {}, 500],
    ['same.own', {}, 402],
    ['same.namesake', {}, 413],
    ['same.developer', {}, 500],
    ['same.text', {}, 500],
    ['same.wrong', {}, 500],
    ['same.bigint', {}, 500],
    ['same.date', {}, 200],
    ['same.named', {}, 200],
    ...['same', 'late', 'early', 'checked'].flatMap((kind) => Object.keys(leftOut).map((name): [string, object, number] => [`${kind}.${name}`, {}, 500])),
    ['same.outbound', {}, 500]
  ]
  for (const [type, body, status] of cases) {
    const bySocket = await client.request({ ...body, type })
    const byRest = await server.rest('POST', `/ws/call/${type}`, { as: 'alice', body })
    t.equal(byRest.status, status, type)
    if (status === 200) {
      t.ok('data' in bySocket, 'it has data')
      t.same(byRest.body, { data: bySocket.data })
    } else {
      t.match(byRest.body, { statusCode: status, code: bySocket.app === true ? bySocket.code : `WSM_ERR_${bySocket.code.toUpperCase()}`, message: bySocket.message })
      t.equal(byRest.body.app, bySocket.app)
      t.same(byRest.body.details, bySocket.details)
    }
    t.notMatch(JSON.stringify([bySocket, byRest.body]), /hunter2|stack/)
  }
  t.same(client.count('error'), cases.filter(([, , status]) => status !== 200).length)
  const failed = server.logs.filter(({ msg }) => msg === 'a handler failed').map(({ type }) => type)
  for (const name of Object.keys(leftOut)) t.same(failed.filter((type) => type === `same.${name}`).length, 2, 'the log names the handler, by socket and by REST')
})

t.test('the type is in the path, and a body with another type is refused', async (t) => {
  const server = await startApp(t, { path: '/realtime' }, {
    after: ({ ws }) => {
      ws.handle('chat.send', { schema: Type.Object({}, { additionalProperties: false }), rest: true }, ({ type }) => type)
      ws.handle('chat.any', { schema: Type.Unknown(), rest: true }, ({ type }) => type)
      ws.handle('chat.socket', { schema: open }, () => 'only by socket')
    }
  })
  const call = (type: string, body: unknown) => server.rest('POST', `/realtime/call/${type}`, { as: 'alice', body })
  t.match(await call('chat.send', {}), { status: 200, body: { data: 'chat.send' } })
  t.match(await call('chat.send', { type: 'chat.send', id: 1 }), { status: 200, body: { data: 'chat.send' } })
  t.match(await call('chat.send', { type: 'chat.delete' }), { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path: '/type' }] } })
  t.match(await call('chat.any', { other: 5 }), { status: 200, body: { data: 'chat.any' } })
  t.match(await call('chat.any', { type: 5 }), { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path: '/type' }] } })
  for (const type of ['chat.socket', 'chat.none', 'ping', 'subscribe']) t.equal((await call(type, {})).status, 404, type)
  t.equal((await server.rest('GET', '/realtime/call/chat.send')).status, 404)
})

t.test('a call needs a valid token, but no permission', async (t) => {
  let calls = 0
  const server = await startApp(t, { authorize: () => false }, {
    after: ({ ws }) => ws.handle('chat.send', { schema: open, rest: true }, (_message, { user }) => {
      calls++
      return user?.id
    })
  })
  t.match(await server.rest('POST', '/ws/call/chat.send', { as: null, body: {} }), { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
  const bad = await server.rest('POST', '/ws/call/chat.send', { as: null, body: {}, headers: { authorization: 'Bearer nonsense' } })
  t.match(bad, { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
  t.equal(bad.headers.get('www-authenticate'), 'Bearer')
  t.equal(calls, 0)
  t.match(await server.rest('POST', '/ws/call/chat.send', { as: 'bob', body: {} }), { status: 200, body: { data: 'bob' } })
})

t.test('where sockets may be anonymous, calls may be, too; other routes and invalid tokens are refused as before', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true } }, {
    after: ({ ws }) => {
      ws.handle('chat.who', { schema: open, rest: true }, (_message, { user }) => ({ user }))
      ws.handle('chat.members', { schema: open, rest: true, authorize: ({ user }) => user !== null }, () => 'secret')
    }
  })
  const call = (type: string, options: RestOptions = {}) => server.rest('POST', `/ws/call/${type}`, { as: null, body: {}, ...options })
  const anonymous = await server.connect('nobody', { token: null })
  t.match(await anonymous.request({ type: 'chat.who' }), { data: { user: null } })
  t.match(await call('chat.who'), { status: 200, body: { data: { user: null } } }, 'as by socket')
  t.match(await call('chat.who', { as: 'alice' }), { status: 200, body: { data: { user: { id: 'alice' } } } })
  t.match(await call('chat.members'), { status: 403 })
  t.match(await call('chat.who', { headers: { authorization: 'Bearer nonsense' } }), { status: 401 })
  t.match(await call('chat.who', { headers: { origin: 'https://evil.example' } }), { status: 403 }, 'a page of another origin')
  for (const [method, path] of [['POST', '/ws/tickets'], ['GET', '/ws/confirmations'], ['GET', '/ws/status']] as const) {
    t.equal((await server.rest(method, path, { as: null })).status, 401, path)
  }
  await server.app.ws.revoke({ userId: 'alice' })
  t.match(await call('chat.who'), { status: 200 }, 'nobody has no token that could be revoked')
})

t.test('anonymous calls of one address share an allowance and slots', async (t) => {
  const gate = new Gate()
  let waits = 0
  const server = await startApp(t, { auth: { anonymous: true }, limits: { messagesPerSecond: 1, burst: 3, maxPendingRequests: 2 } }, {
    after: ({ ws }) => {
      ws.handle('app.note', { schema: open, rest: true }, () => 1)
      ws.handle('app.wait', { schema: open, rest: true }, () => {
        waits++
        return gate.wait()
      })
    },
    fastify: { trustProxy: true }
  })
  const call = (type: string, ip: string, as: string | null = null) => server.rest('POST', `/ws/call/${type}`, { as, body: {}, headers: { 'x-forwarded-for': ip } }).then(({ status }) => status)
  for (let n = 0; n < 3; n++) t.equal(await call('app.note', '2001:db8::1'), 200)
  t.equal(await call('app.note', '2001:db8::2'), 429, 'of the same network')
  t.equal(await call('app.note', '192.0.2.1'), 200)
  t.equal(await call('app.note', '2001:db8::1', 'network:2001:db8:0:0'), 200, 'a user of that name is a user')
  const waiting = [call('app.wait', '192.0.2.2'), call('app.wait', '192.0.2.2')]
  await until(() => waits === 2)
  t.equal(await call('app.note', '192.0.2.2'), 429)
  t.match(server.app.ws.getStatus().rejected, { messages: 1, pending_requests: 1 })
  // A revocation has nothing to do with them, and does not wait for them.
  t.match(await server.app.ws.revoke({ userId: 'alice' }), { complete: true })
  gate.open()
  t.same(await Promise.all(waiting), [200, 200])
})

t.test('anonymous calls without an address are not counted: a Unix socket may carry many clients', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'wsm-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wsPlugin, { jwt: { secret: SECRET }, auth: { anonymous: true }, limits: { messagesPerSecond: 1, burst: 1 } })
  app.ws.handle('app.note', { schema: open, rest: true }, () => 1)
  const socketPath = join(folder, 'socket')
  await app.listen({ path: socketPath })
  for (let n = 0; n < 3; n++) {
    const call = request({ socketPath, method: 'POST', path: '/ws/call/app.note', headers: { 'content-type': 'application/json' } }).end('{}')
    const [{ statusCode }] = await once(call, 'response') as [IncomingMessage]
    t.equal(statusCode, 200)
  }
})

t.test('an invalid body is the caller\'s fault, and the handler does not see it', async (t) => {
  let calls = 0
  const server = await startApp(t, {}, {
    fastify: { bodyLimit: 1_000 },
    after: ({ ws }) => ws.handle('chat.any', { schema: Type.Unknown(), rest: true }, () => { calls++ })
  })
  const call = (body: unknown, contentType = 'application/json') =>
    server.rest('POST', '/ws/call/chat.any', { as: 'alice', body, headers: { 'content-type': contentType } })
  for (const body of ['[]', '[{}]', 'null', '"text"', '5', 'true']) {
    t.match(await call(body), { status: 400, body: { statusCode: 400, code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path: '', message: 'Expected object' }] } }, body)
  }
  t.match(await call('text', 'text/plain'), { status: 415, body: { code: 'WSM_ERR_UNSUPPORTED_MEDIA_TYPE' } })
  t.match(await call('{"a":'), { status: 400, body: { code: 'WSM_ERR_BAD_JSON' } }, 'no JSON')
  t.match(await call('{"__proto__":{"polluted":true}}'), { status: 400, body: { code: 'WSM_ERR_BAD_JSON' } })
  t.match(await call('<x/>', 'application/xml'), { status: 415, body: { code: 'WSM_ERR_UNSUPPORTED_MEDIA_TYPE' } })
  t.match(await call({ text: 'x'.repeat(2_000) }), { status: 413, body: { code: 'WSM_ERR_TOO_LARGE' } })
  t.equal(calls, 0)
  t.match(await server.rest('POST', '/ws/call/chat.any', { as: 'alice' }), { status: 200 }, 'without a body it is a message without fields')
  t.equal(calls, 1)
  t.equal(({} as Record<string, unknown>).polluted, undefined)
})

t.test('a handler\'s schemas are in the OpenAPI document', async (t) => {
  const server = await startApp(t, {}, {
    before: async (app) => { await app.register(fastifySwagger, { openapi: {} }) },
    after: ({ ws }) => ws.handle('chat.send', {
      schema: Type.Object({ text: Type.String({ maxLength: 5 }) }), reply: Type.Object({ at: Type.Number() }), rest: true
    }, () => ({ at: 1 }))
  })
  const route = server.app.swagger().paths!['/ws/call/chat.send'] as { post: object }
  t.match(route.post, {
    tags: ['ws'],
    requestBody: { content: { 'application/json': { schema: { required: ['text'], properties: { text: { type: 'string', maxLength: 5 } } } } } },
    responses: {
      200: { content: { 'application/json': { schema: { properties: { data: { properties: { at: { type: 'number' } } } } } } } },
      400: {},
      401: {},
      403: {}
    }
  })
})

t.test('a plugin of the app can register its handlers', async (t) => {
  const server = await startApp(t, {}, {
    after: async (app) => {
      await app.register(async (scope) => scope.ws.handle('chat.send', { schema: open, rest: true }, () => 'from a plugin'), { prefix: '/api' })
    }
  })
  t.match(await server.rest('POST', '/ws/call/chat.send', { body: {} }), { status: 200, body: { data: 'from a plugin' } })
})

t.test('calls are charged to the user\'s allowance like frames, and have the same size limit', async (t) => {
  const limits = { messagesPerSecond: 1, burst: 3, bytesPerSecond: 1, burstBytes: 1_000, maxPayloadBytes: 2_000 }
  const server = await startApp(t, { limits }, { after: ({ ws }) => ws.handle('app.note', { schema: Type.Object({ text: Type.String() }), rest: true }, () => 1) })
  const call = (as: string, length: number) => server.rest('POST', '/ws/call/app.note', { as, body: { text: 'x'.repeat(length) } })
  for (let n = 0; n < 3; n++) t.equal((await call('alice', 1)).status, 200)
  const refused = await call('alice', 1)
  t.match(refused, { status: 429, body: { code: 'WSM_ERR_RATE_LIMITED' } })
  t.ok(Number(refused.headers.get('retry-after')) >= 1)
  const alice = await server.connect('alice')
  t.match(await alice.request({ type: 'ping' }), { code: 'rate_limited' }, 'by socket or by REST')
  t.equal((await call('bob', 1_500)).status, 200)
  t.equal((await call('bob', 1)).status, 429)
  t.equal((await call('carol', 2_000)).status, 413)
  t.match(server.app.ws.getStatus().rejected, { messages: 2, bytes: 1 })
})

t.test('a compressed body is charged by its decompressed size', async (t) => {
  const limits = { burstBytes: 1_000, bytesPerSecond: 1, maxPayloadBytes: 2_000 }
  const after: AppOptions['after'] = ({ ws }) => ws.handle('app.act', { schema: Type.Object({}), rest: true }, () => 'done')
  const server = await startApp(t, { limits }, { before: decompressBodies, after })
  const call = (as: string, body: string | Buffer, headers: Record<string, string>) => server.rest('POST', '/ws/call/app.act', { as, body, headers }).then(({ status }) => status)
  const zipped = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  // Over HTTP/2 no length is sent anyway.
  const chunked: Record<string, string> = protocol.http === 1 ? { 'transfer-encoding': 'chunked' } : {}
  const text = JSON.stringify({ text: 'x'.repeat(1_500) })
  for (const [as, body, headers] of [['alice', gzipSync(text), zipped], ['bob', text, chunked]] as const) {
    t.equal(await call(as, body, headers), 200)
    t.equal(await call(as, '{}', {}), 429, as)
  }
  t.equal(await call('carol', '{}', chunked), 200)
  t.equal(await call('carol', '{}', {}), 200, 'small')
})
