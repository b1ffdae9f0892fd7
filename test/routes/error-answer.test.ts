import { Readable } from 'node:stream'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { protocol, startApp } from '../fixtures/app.js'

const INTERNALS = /node_modules|\.[jt]s:\d|\bat \w+|stack|lib\/|routes\//

t.test('an unreadable body is refused in the common error shape, without internals', async (t) => {
  const server = await startApp(t)
  const bad: [name: string, status: number, code: RegExp, body: string, headers?: Record<string, string>][] = [
    ['broken JSON', 400, /^WSM_ERR_BAD_JSON$/, '{"message":'],
    ['no JSON at all', 400, /^WSM_ERR_BAD_JSON$/, '<xml/>'],
    ['an empty body', 400, /^WSM_ERR_INVALID_MESSAGE$/, ''],
    ['a poisoned key', 400, /^WSM_ERR_BAD_JSON$/, '{"__proto__":{"admin":true},"message":{"type":"news.flash"}}'],
    ['a megabyte and more', 413, /^WSM_ERR_TOO_LARGE$/, JSON.stringify({ message: { type: 'news.flash', text: 'x'.repeat(1_100_000) } })],
    ['another content type', 415, /^WSM_ERR_UNSUPPORTED_MEDIA_TYPE$/, 'a=1', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['no content type at all', 415, /^WSM_ERR_UNSUPPORTED_MEDIA_TYPE$/, 'a=1', { 'content-type': 'nonsense' }]
  ]
  for (const [name, status, code, body, headers = {}] of bad) {
    const refused = await server.rest('POST', '/ws/broadcast', { body, headers: { 'content-type': 'application/json', ...headers } })
    t.match(refused, { status, body: { statusCode: status, code, error: String, message: String } }, name)
    t.notMatch(JSON.stringify(refused.body), INTERNALS, name)
  }
  t.same(server.logs.filter(({ level }) => level >= 50), [], 'what a client got wrong is no error of the server')
})

t.test('a body with a wrong length is refused in the common error shape', async (t) => {
  const server = await startApp(t, {}, { before: (app) => { app.addHook('preParsing', async () => Readable.from([Buffer.from('{}')])) } })
  t.match(await server.rest('POST', '/ws/broadcast', { body: '{"message":{}}', headers: { 'content-type': 'application/json', 'content-length': '14' } }), { status: 400, body: { statusCode: 400, code: 'WSM_ERR_BAD_JSON', message: 'The body could not be read' } })
})

t.test('an empty body of any content type is accepted where none is needed', async (t) => {
  const server = await startApp(t, {}, { after: ({ ws }) => ws.handle('app.act', { schema: Type.Object({}), rest: true }, () => 'done') })
  for (const type of ['application/json', 'application/json; charset=utf-8', 'application/x-www-form-urlencoded', 'text/plain']) {
    const empty = { body: '', headers: { 'content-type': type } }
    t.match(await server.rest('POST', '/ws/tickets', empty), { status: 200, body: { ticket: String } }, type)
    t.match(await server.rest('POST', '/ws/call/app.act', empty), { status: 200, body: { data: 'done' } }, type)
    for (const path of ['/ws/clients/x', '/ws/tasks/x', '/ws/confirmations/x']) {
      t.match(await server.rest('DELETE', path, empty), { status: 404, body: { code: 'WSM_ERR_NOT_FOUND' } }, `${path} ${type}`)
    }
  }
})

t.test('a REST call of a type without a handler is 404 in the common error shape', async (t) => {
  const server = await startApp(t)
  const refused = await server.rest('POST', '/ws/call/app.none', { as: 'alice', body: {} })
  t.match(refused, { status: 404, body: { statusCode: 404, code: 'WSM_ERR_UNKNOWN_TYPE', error: 'Not Found', message: 'There is no handler for type "app.none"' } })
  t.match(await server.rest('POST', '/ws/call/app.none', { as: null }), { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } }, 'which strangers are not told')
})

t.test('a plain GET of the socket\'s route is told to upgrade', async (t) => {
  const server = await startApp(t)
  const refused = await server.rest('GET', '/ws', { as: null })
  t.match(refused, { status: 426, body: { statusCode: 426, code: 'WSM_ERR_UPGRADE_REQUIRED', error: 'Upgrade Required' } })
  // HTTP/2 has no such headers (RFC 9113 section 8.2.2).
  t.strictSame(['upgrade', 'connection'].map((name) => refused.headers.get(name)), protocol.http === 1 ? ['websocket', 'upgrade'] : [null, null])
  if (protocol.http === 2) return
  const last = await server.rest('GET', '/ws', { as: null, headers: { connection: 'close' } })
  t.match([last.status, last.headers.get('connection')], [426, 'upgrade, close'], 'who closes the connection is told so')
})

t.test('an undecodable path is refused without internals', async (t) => {
  const server = await startApp(t)
  const answer = await server.begin('GET', '/ws/tasks/%E0%A4%A', { as: 'alice' }).answer
  t.equal(answer.status, 400)
  t.notMatch(answer.text, INTERNALS)
})

t.test('a server fault is logged, and the caller is told only that it happened', async (t) => {
  const server = await startApp(t, { authorize: () => true })
  // What nobody foresaw: here, a part that fails.
  server.app.ws.getStatus = () => { throw new Error('secret: hunter2') }
  const { status, body } = await server.rest('GET', '/ws/status')
  t.equal(status, 500)
  t.strictSame(body, { statusCode: 500, code: 'WSM_ERR_INTERNAL', error: 'Internal Server Error', message: 'The server could not process this' })
  t.match(server.logs.find(({ msg }) => msg === 'a route failed'), { level: 50, err: { message: 'secret: hunter2', stack: String } })
})

/** What a plugin of the host throws in a hook of its own. */
function thrown (fields: object): Error {
  return Object.assign(new Error('hunter2'), fields)
}

t.test('a host\'s own refusals keep their status, and its server faults stay internal', async (t) => {
  let error = new Error()
  const server = await startApp(t, {}, { before: (app) => { app.addHook('onRequest', async () => { throw error }) } })
  const url = '/ws/health'

  error = thrown({ statusCode: 429, code: 'FST_ERR_RATE_LIMIT' })
  t.match(await server.rest('GET', url), { status: 429, body: { statusCode: 429, code: 'FST_ERR_RATE_LIMIT', error: 'Too Many Requests', message: 'hunter2' } })

  error = thrown({ statusCode: 499 })
  t.match(await server.rest('GET', url), { status: 499, body: { statusCode: 499, error: 'Error', message: 'hunter2' } })

  error = thrown({ statusCode: 503, code: 'FST_UNDER_PRESSURE' })
  const busy = await server.rest('GET', url)
  t.match(busy, { status: 503, body: { statusCode: 503, code: 'WSM_ERR_UNAVAILABLE', error: 'Service Unavailable' } })
  t.ok(Number(busy.headers.get('retry-after')) > 0)

  for (const statusCode of [undefined, 500, 502, 302, 200]) {
    error = thrown({ statusCode })
    const failed = await server.rest('GET', url)
    t.match(failed, { status: 500, body: { statusCode: 500, code: 'WSM_ERR_INTERNAL' } }, String(statusCode))
    t.notMatch(JSON.stringify(failed.body), /hunter2/)
  }
  t.notMatch(JSON.stringify(busy.body), /hunter2/)
})

t.test('an error of the catalogue that clients must not see stays internal', async (t) => {
  const server = await startApp(t, {}, {
    before: (app) => {
      app.addHook('onRequest', async () => { throw Object.assign(new Error('hunter2'), { code: 'WSM_ERR_INVALID_OPTION', statusCode: 500 }) })
    }
  })
  const { status, body } = await server.rest('GET', '/ws/health')
  t.equal(status, 500)
  t.notMatch(JSON.stringify(body), /hunter2/)
})

t.test('an unknown route is left to the host', async (t) => {
  const server = await startApp(t)
  t.equal((await server.rest('GET', '/ws/nothing')).status, 404)
  t.equal((await server.rest('PUT', '/ws/broadcast')).status, 404)
})

t.test('a refusal of the host whose fields cannot be sent is sent without them', async (t) => {
  const throwing = { toJSON: () => { throw new Error('hunter2') }, toString: () => { throw new Error('hunter2') } }
  for (const fields of [{ code: 10n }, { code: throwing }, { code: Symbol('x') }, { retryAfterS: 'soon\n' }, { retryAfterS: throwing }]) {
    const server = await startApp(t, {}, { before: (app) => { app.addHook('onRequest', async () => { throw thrown({ statusCode: 418, ...fields }) }) } })
    const { status, headers, body } = await server.rest('GET', '/ws/health')
    t.match([status, body], [418, { statusCode: 418, message: 'hunter2' }])
    t.equal(body.code, undefined)
    t.equal(headers.get('retry-after'), null)
  }
})
