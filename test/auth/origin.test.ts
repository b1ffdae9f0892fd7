import fastifyCookie from '@fastify/cookie'
import fastifyJwt from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import wsPlugin, { type WsPluginOptions } from '../../lib/index.js'
import { SECRET, startApp, type AppOptions, type TestApp } from '../fixtures/app.js'
import { RawClient } from '../fixtures/raw-client.js'
import { refusal } from '../fixtures/refusal.js'
import { forge } from '../fixtures/tokens.js'

const withCookies: AppOptions = { before: async (app) => { await app.register(fastifyCookie) } }
const token = forge({ sub: 'alice' })

/** What an upgrade request with these headers is answered. */
async function statusOf (t: Test, server: TestApp, headers: Record<string, string>, path = '/ws'): Promise<number> {
  const client = await RawClient.to(t, server)
  client.upgrade(path, headers)
  const { status } = await client.response()
  client.reset()
  return status
}

t.test('by default a page must have the origin of the host that it connects to', async (t) => {
  const server = await startApp(t)
  const opened = { authorization: `Bearer ${token}` }
  const cases: Array<[host: string, origin: string, isSame: boolean]> = [
    ['app.example', 'http://app.example', true],
    ['app.example', 'https://app.example', true],
    ['app.example:80', 'http://app.example', true],
    ['app.example:443', 'https://app.example', true],
    ['APP.example', 'http://app.example', true],
    ['app.example:8080', 'http://app.example:8080', true],
    ['[::1]:3000', 'http://[::1]:3000', true],
    ['app.example', 'http://app.example:8080', false],
    ['app.example:8080', 'http://app.example', false],
    ['app.example', 'https://evil.example', false],
    ['app.example', 'https://app.example.evil.example', false],
    ['app.example', 'https://evilapp.example', false],
    ['app.example', 'https://sub.app.example', false]
  ]
  for (const [host, origin, isSame] of cases) t.equal(await statusOf(t, server, { ...opened, host, origin }), isSame ? 101 : 403, `${origin} at ${host}`)
})

t.test('an invalid origin is refused, and causes nothing worse', async (t) => {
  for (const options of [{}, { origins: ['https://app.example'] }] satisfies WsPluginOptions[]) {
    const server = await startApp(t, options)
    const origins = [
      'null', 'NULL', '', ' ', 'app.example', '//app.example', 'http://', 'http:app.example', 'http:///app.example', 'http://app.example/',
      'http://app.example/path', 'http://user@app.example', 'http://app.example:99999', 'http://app.example:80', 'HTTP://app.example',
      'http://App.example', 'ws://app.example', 'file://', 'javascript:alert(1)', 'data:,x', 'http://[', '\u0001',
      'https://app.example https://evil.example', 'https://evil.example, https://app.example', `http://${'a'.repeat(5_000)}`, 'chrome-extension://abc'
    ]
    for (const origin of origins) t.not(await statusOf(t, server, { authorization: `Bearer ${token}`, host: 'app.example', origin }), 101, origin.slice(0, 40))
    for (const host of ['', 'a b', 'app.example:99999', 'app.example/x', 'evil@app.example', 'app.example#', '[::1', 'a:b:c', 'app.example:x']) {
      t.not(await statusOf(t, server, { authorization: `Bearer ${token}`, host, origin: 'http://app.example' }), 101, `at ${host}`)
    }
    t.ok(server.app.ws.getStatus().rejected.origin > origins.length - 5, 'counted')
    t.same(server.logs.filter(({ level }) => level >= 40), [], 'nothing has failed')
  }
})

t.test('two Origin headers count as an invalid origin', async (t) => {
  const server = await startApp(t)
  const client = await RawClient.to(t, server)
  client.upgrade('/ws', { authorization: `Bearer ${token}`, host: 'app.example', Origin: 'http://app.example', origin: 'http://app.example' })
  t.equal((await client.response()).status, 403)
})

t.test('behind a trusted proxy the host and scheme are those that the browser used', async (t) => {
  const server = await startApp(t, {}, { fastify: { trustProxy: true } })
  const headers = { authorization: `Bearer ${token}`, host: 'internal:3000', 'x-forwarded-host': 'app.example', 'x-forwarded-proto': 'https' }
  t.equal(await statusOf(t, server, { ...headers, origin: 'https://app.example' }), 101)
  t.equal(await statusOf(t, server, { ...headers, origin: 'http://app.example' }), 403, 'a page of http is not of a server of https')
  t.equal(await statusOf(t, server, { ...headers, origin: 'http://internal:3000' }), 403)
  const untrusting = await startApp(t)
  t.equal(await statusOf(t, untrusting, { ...headers, origin: 'https://app.example' }), 403)
})

t.test('a list of origins is matched exactly, and does not include the server\'s own', async (t) => {
  const server = await startApp(t, { origins: ['https://app.example', 'https://admin.example:8443', 'capacitor://localhost'] })
  const cases = {
    'https://app.example': 101,
    'https://admin.example:8443': 101,
    'capacitor://localhost': 101,
    'http://app.example': 403,
    'https://app.example:8443': 403,
    'https://admin.example': 403,
    'http://127.0.0.1': 403,
    'https://sub.app.example': 403,
    'capacitor://evil': 403
  }
  for (const [origin, status] of Object.entries(cases)) t.equal(await statusOf(t, server, { authorization: `Bearer ${token}`, origin }), status, origin)
  const none = await startApp(t, { origins: [] })
  t.equal(await statusOf(t, none, { authorization: `Bearer ${token}`, origin: 'http://127.0.0.1' }), 403)
  t.equal(await statusOf(t, none, { authorization: `Bearer ${token}` }), 101, 'what is no browser may still come')
  const all = await startApp(t, { origins: '*' })
  for (const origin of ['https://anybody.example', 'null']) t.equal(await statusOf(t, all, { authorization: `Bearer ${token}`, origin }), 101)
})

t.test('a * in an origin stands for one label, the first of a host', async (t) => {
  const server = await startApp(t, { origins: ['https://*.app.example', 'https://*.app.example:8443', 'http://*.localhost:3000', 'https://app.org'] })
  const allowed = [
    'https://a.app.example', 'https://xn--bcher-kva.app.example', 'https://a_b-1.app.example:8443', 'http://tenant.localhost:3000', 'https://app.org'
  ]
  const refused = [
    'https://app.example', 'https://.app.example', 'https://a.b.app.example', 'https://a.app.example.evil.example', 'https://evil.example/.app.example',
    'https://evil.example#.app.example', 'https://evil.example@a.app.example', 'https://aapp.example', 'http://a.app.example', 'https://a.app.example:8444',
    'https://A.app.example', 'https://a.app.example.', 'https://a.app.org', 'http://localhost:3000', 'http://tenant.localhost'
  ]
  for (const origin of allowed) t.equal(await statusOf(t, server, { authorization: `Bearer ${token}`, origin }), 101, origin)
  for (const origin of refused) t.equal(await statusOf(t, server, { authorization: `Bearer ${token}`, origin }), 403, origin)
})

t.test('pages from a file, and with an app\'s own scheme, connect if they are listed', async (t) => {
  const origins = ['file://', 'capacitor://localhost', 'ionic://localhost', 'tauri://localhost', 'app://.', 'chrome-extension://abcdefghijklmnop', 'moz-extension://6c2b0d3e-1f']
  const [listing, other] = [await startApp(t, { origins }), await startApp(t, { origins: ['https://app.example'] })]
  for (const origin of origins) {
    t.equal(await statusOf(t, listing, { authorization: `Bearer ${token}`, origin }), 101, origin)
    t.equal(await statusOf(t, other, { authorization: `Bearer ${token}`, origin }), 403, `${origin} is not listed`)
  }
  for (const origin of ['null', 'file:///tmp/page.html', 'capacitor://other', 'chrome-extension://another']) {
    t.equal(await statusOf(t, listing, { authorization: `Bearer ${token}`, origin }), 403, origin)
  }
})

t.test('a foreign origin is refused before the user is identified, at an endpoint too, and with a close frame', async (t) => {
  const server = await startApp(t, { jwt: { secret: async () => { t.fail('the key is asked for'); return SECRET } } }, {
    after: (app) => app.ws.endpoint('/desk', { channels: [], authorize: () => true })
  })
  for (const path of ['/ws', '/desk']) {
    t.match(await refusal(server.dial('alice', { token, path, socket: { origin: 'https://evil.example' } })), {
      statusCode: 403, body: { code: 'WSM_ERR_FORBIDDEN', message: 'This origin may not connect' }
    })
  }
  const closing = await startApp(t, { rejectMode: 'close' })
  const client = await closing.dial('alice', { token, socket: { origin: 'https://evil.example' } }).opened()
  t.match(await client.closed, { code: 4403 })
  t.same(client.received, [])
})

t.test('invalid entries in origins fail the registration', async (t) => {
  const bad: Array<[origins: unknown, message: RegExp]> = [
    [['https://app.example/'], /"origins\[0\]" is "https:\/\/app.example\/", which no browser sends/],
    [['https://App.example'], /which no browser sends/],
    [['https://app.example:443'], /which no browser sends/], [['https://['], /which no browser sends/],
    [['app.example'], /"origins/], [['*'], /"origins/], [['null'], /"origins\[0\]" is "null", which every page without an origin sends/], ['https://app.example', /"origins/], [[5], /"origins/],
    [['capacitor://localhost/'], /which no browser sends/], [['https://*.App.example'], /which no browser sends/], [['https://*.app.example:443'], /which no browser sends/],
    ...[
      'https://*', 'https://*.example', 'https://*.example:8443', 'https://app.*', 'https://app.*.example', 'https://a*.app.example', 'https://*a.app.example', 'https://*.*.app.example',
      'https://**.app.example', 'https://*app.example', 'http://localhost:*', 'https://app.example:*', 'chrome-extension://*', 'capacitor://*.app.example', 'https://*..example'
    ].map((origin): [unknown, RegExp] => [[origin], new RegExp(`"origins\\[0\\]" is "${origin.replaceAll(/[*.]/g, '\\$&')}", whose \\* must be the whole first label`)])
  ]
  for (const [origins, message] of bad) {
    const app = Fastify()
    t.teardown(() => app.close())
    const ready = async () => { await app.register(wsPlugin, { jwt: { secret: SECRET }, origins: origins as never }) }
    await t.rejects(ready(), { code: 'WSM_ERR_INVALID_OPTION', message }, JSON.stringify(origins))
  }
})

t.test('a token may come in the cookie that auth.cookie names', async (t) => {
  const server = await startApp(t, { auth: { cookie: 'session' } }, withCookies)
  const host = new URL(server.origin).host
  const headers = { host, origin: server.origin, cookie: `other=1; session=${token}` }
  t.equal(await statusOf(t, server, headers), 101)
  t.equal(await statusOf(t, server, { ...headers, cookie: 'session=' }), 401, 'an empty one is none')
  t.equal(await statusOf(t, server, { ...headers, cookie: `others=${token}` }), 401)
  t.equal(await statusOf(t, server, { ...headers, cookie: 'session=bad' }), 401)
  for (const cookie of [`session=${token}; session=${forge({ sub: 'bob' })}`, `session=${token};session = x`, `session=${token}; x; session=`]) {
    t.equal(await statusOf(t, server, { ...headers, cookie }), 401, 'two of the name are refused')
    t.equal((await server.rest('GET', '/ws/tasks', { as: null, headers: { cookie } })).status, 401)
    t.equal(await statusOf(t, server, { ...headers, cookie, authorization: `Bearer ${token}` }), 101, 'unless none of them counts')
  }
  t.equal(await statusOf(t, server, { ...headers, cookie: `session=${token}; session=${token}; sessions=x` }), 101, 'and not the same one twice')
  t.equal(await statusOf(t, server, { ...headers, origin: 'https://evil.example' }), 403, 'another site sends it, too')
  t.equal(await statusOf(t, server, { host, cookie: headers.cookie }), 403, 'and nobody who does not say where they come from')
  t.equal(await statusOf(t, server, { host, cookie: headers.cookie, authorization: `Bearer ${token}` }), 101, 'unless it is not by the cookie')
  const bob = await server.connect('bob', { socket: { origin: server.origin, headers: { cookie: headers.cookie } } })
  t.equal(bob.received[0]!.data.user_id, 'bob', 'a token that is sent on purpose goes before it')
})

t.test('a state-changing REST request with a cookie must come from an allowed page', async (t) => {
  const server = await startApp(t, { auth: { cookie: 'session' } }, withCookies)
  const cookie = `session=${forge({ sub: 'admin', roles: ['ws:admin'] })}`
  const call = (method: string, path: string, headers: Record<string, string>) =>
    server.rest(method, path, { as: null, headers: { cookie, ...headers }, ...method === 'POST' && { body: { message: { type: 'app.news' } } } })
  t.equal((await call('GET', '/ws/status', { origin: 'https://evil.example' })).status, 200, 'it cannot read the answer')
  t.equal((await call('POST', '/ws/broadcast', { origin: 'https://evil.example' })).status, 403)
  t.equal((await call('POST', '/ws/broadcast', {})).status, 403)
  t.equal((await call('POST', '/ws/broadcast', { origin: server.origin })).status, 200)
  t.equal((await server.rest('POST', '/ws/broadcast', { headers: { cookie, origin: 'https://evil.example' }, body: { message: { type: 'app.news' } } })).status, 403, 'with a token as well')
})

t.test('auth.cookie needs @fastify/cookie and restricted origins', async (t) => {
  const registration = async (options: WsPluginOptions, isParsed: boolean) => {
    const app = Fastify()
    t.teardown(() => app.close())
    if (isParsed) await app.register(fastifyCookie)
    return app.register(wsPlugin, { jwt: { secret: SECRET }, ...options }).then(() => null, (error: Error) => error)
  }
  t.match(await registration({ auth: { cookie: 'session' } }, false), { code: 'WSM_ERR_INVALID_OPTION', message: /"auth.cookie" needs @fastify\/cookie/ })
  t.match(await registration({ auth: { cookie: 'session' }, origins: '*' }, true), { code: 'WSM_ERR_INVALID_OPTION', message: /"origins" must not be "\*"/ })
  t.match(await registration({ jwt: undefined, authenticate: () => null, origins: '*' }, true), { message: /"origins" must not be "\*"/ })
  t.equal(await registration({ auth: { cookie: 'session' } }, true), null)
})

t.test('a signed cookie is verified as by @fastify/jwt, for sockets and REST', async (t) => {
  const jwt = { secret: SECRET, cookie: { cookieName: 'session', signed: true } }
  const before = async (app: FastifyInstance) => {
    await app.register(fastifyCookie, { secret: 'a secret for cookies, long enough too' })
    app.get('/me', (request) => request.jwtVerify())
  }
  for (const isHosts of [false, true]) {
    const server = await startApp(t, { auth: { cookie: 'session' }, ...!isHosts && { jwt } }, {
      before: async (app) => {
        await before(app)
        if (isHosts) await app.register(fastifyJwt, jwt)
      }
    })
    const signed = (value: string) => `session=${encodeURIComponent(server.app.signCookie(value))}`
    const cases: Array<[cookie: string, socket: number, rest: number]> = [
      [signed(token), 101, 200], [`session=${token}`, 401, 401], [`${signed(token)}x`, 401, 401], [signed('no token'), 401, 401]
    ]
    for (const [cookie, socket, rest] of cases) {
      const headers = { host: new URL(server.origin).host, origin: server.origin, cookie }
      t.equal(await statusOf(t, server, headers), socket, cookie)
      t.equal((await server.rest('POST', '/ws/tickets', { as: null, headers })).status, rest, `a ticket by ${cookie}`)
      t.equal((await server.rest('GET', '/me', { as: null, headers })).status, rest, `the app's own route by ${cookie}`)
      t.equal(await statusOf(t, server, { ...headers, origin: 'https://evil.example' }), 403, 'another site sends it, too')
    }
  }
  const unsigned = await startApp(t, { auth: { cookie: 'session' }, jwt: { ...jwt, cookie: { cookieName: 'other', signed: true } } }, { before })
  const headers = { host: new URL(unsigned.origin).host, origin: unsigned.origin, cookie: `session=${token}` }
  t.equal(await statusOf(t, unsigned, headers), 101, 'what is said of another cookie is not of this one')
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyCookie)
  const ready = async () => { await app.register(wsPlugin, { jwt, auth: { cookie: 'session' } }) }
  await t.rejects(ready(), { code: 'WSM_ERR_INVALID_OPTION', message: /"auth.cookie" names a cookie that @fastify\/jwt expects to be signed: @fastify\/cookie needs a secret/ })
})
