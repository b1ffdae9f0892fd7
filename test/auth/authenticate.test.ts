import Fastify from 'fastify'
import t from 'tap'
import wsPlugin, { type WsPluginOptions } from '../../lib/index.js'
import { SECRET, startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { refusal } from '../fixtures/refusal.js'

const inAnHour = () => Date.now() + 3_600_000

/** An app whose users say who they are in a header; "admin" has the role. */
const named: WsPluginOptions = {
  jwt: undefined,
  authenticate: async (request) => {
    const name = request.headers['x-user'] as string | undefined
    return name === undefined ? null : { id: name, claims: name === 'admin' ? { roles: ['ws:admin'] } : {} }
  }
}
const start = (t: Parameters<typeof startApp>[0], options: WsPluginOptions) => startApp(t, options, { before: (app) => { app.decorate('jwt', {} as never) } })
const as = (name: string) => ({ token: null, socket: { headers: { 'x-user': name } } })

t.test('the app\'s own authenticate identifies a request, without any JWT', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wsPlugin, named)
  t.equal(app.hasDecorator('jwt'), false)
  const server = await start(t, named)
  const client = await server.connect('', as('alice'))
  t.match(client.received[0], { data: { user_id: 'alice', expires_at: null } })
  t.match(await refusal(server.dial('', { token: null })), { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
  t.equal((await server.rest('GET', '/ws/status', { as: null, headers: { 'x-user': 'admin' } })).status, 200)
  t.equal((await server.rest('GET', '/ws/status', { as: null, headers: { 'x-user': 'alice' } })).status, 403)
  t.equal((await server.rest('GET', '/ws/status', { as: null })).status, 401)
})

t.test('the user returned by authenticate becomes the socket\'s user', async (t) => {
  const expiresAt = inAnHour()
  const server = await start(t, { ...named, authenticate: () => ({ id: 'alice', claims: { team: 'red' }, expiresAt, issuedAt: 7, jti: 'session-1' }) })
  const connected = new Promise((resolve) => server.app.ws.on('client_connected', ({ client }) => resolve(client.user)))
  const client = await server.connect('', { token: null })
  t.match(client.received[0], { data: { user_id: 'alice', expires_at: expiresAt } })
  t.same(await connected, { id: 'alice', claims: { team: 'red' }, expiresAt, issuedAt: 7, jti: 'session-1' })
})

t.test('the status of a failed authenticate tells whose fault it was', async (t) => {
  const faults: Array<[hook: () => unknown, statusCode: number, isLogged: boolean]> = [
    [() => { throw Object.assign(new Error('bad session'), { statusCode: 401 }) }, 401, false],
    [async () => { throw Object.assign(new Error('banned'), { statusCode: 403 }) }, 403, false],
    [() => ({ id: 'alice', expiresAt: Date.now() - 1 }), 401, false],
    [() => { throw new Error('the session store is down') }, 503, true],
    [async () => { throw null }, 503, true], // eslint-disable-line no-throw-literal
    [() => undefined, 500, true], [() => 'alice', 500, true], [() => ({ id: 5 }), 500, true], [() => ({ id: '' }), 500, true],
    [() => ({ id: 'alice', expiresAt: 'tomorrow' }), 500, true], [() => ({ id: 'alice', claims: 'all' }), 500, true]
  ]
  for (const [hook, statusCode, isLogged] of faults) {
    const server = await start(t, { ...named, authenticate: hook as never })
    const answer = await refusal(server.dial('', { token: null }))
    t.equal(answer.statusCode, statusCode, String(hook))
    t.notMatch(JSON.stringify(answer.body), /session|banned/, 'and says no more')
    t.equal(server.logs.some(({ level }) => level >= 50), isLogged)
  }
  const { errors } = await import('../../lib/index.js')
  const server = await start(t, { ...named, authenticate: () => { throw new errors.ForbiddenError('Not on Sundays') } })
  t.match(await refusal(server.dial('', { token: null })), { statusCode: 403, body: { message: 'Not on Sundays' } })
})

t.test('authenticate is given up after auth.timeoutMs', async (t) => {
  const server = await start(t, { ...named, authenticate: () => new Gate().wait() as never, auth: { timeoutMs: 30 } })
  t.match(await refusal(server.dial('', { token: null })), { statusCode: 503 })
})

t.test('authenticate returning null makes an anonymous socket where auth.anonymous allows it', async (t) => {
  const anonymous = await start(t, { ...named, auth: { anonymous: true } })
  t.match((await anonymous.connect('', { token: null })).received[0], { data: { user_id: null } })
  const verifyToken = async (token: string) => token === 'open sesame' ? { id: 'ali' } : null
  const waiting = await start(t, { ...named, verifyToken, auth: { firstFrame: true } })
  const client = await waiting.dial('', { token: null }).opened()
  t.match(await client.request({ type: 'auth', token: 'wrong' }), { code: 'unauthorized' })
  t.match(await client.request({ type: 'auth', token: 'open sesame' }), { data: { user_id: 'ali' } })
})

t.test('auth frames are refused without verifyToken, and verified with it', async (t) => {
  const server = await start(t, named)
  const client = await server.connect('', as('alice'))
  t.match(await client.request({ type: 'auth', token: 'any' }), { code: 'unauthorized', message: 'This server accepts no tokens' })
  const asking = await start(t, { ...named, verifyToken: (token) => { if (token === 'down') throw new Error('down'); return { id: token, expiresAt: inAnHour() } } })
  const other = await asking.connect('', as('alice'))
  t.match(await other.request({ type: 'auth', token: 'Bearer bob' }), { data: { user_id: 'bob' } })
  t.match(await other.request({ type: 'auth', token: 'down' }), { code: 'unavailable' })
})

t.test('tickets work with authenticate', async (t) => {
  const server = await start(t, named)
  const { body } = await server.rest('POST', '/ws/tickets', { as: null, headers: { 'x-user': 'alice' } })
  const client = await server.connect('', { token: null, path: `/ws?ticket=${body.ticket}` })
  t.equal(client.received[0]!.data.user_id, 'alice')
})

t.test('with authenticate a request with cookies but without an origin is refused', async (t) => {
  const server = await start(t, { ...named, authenticate: (request) => request.headers.cookie === 'id=alice' ? { id: 'alice' } : null })
  const headers = { cookie: 'id=alice' }
  t.equal((await refusal(server.dial('', { token: null, socket: { headers } }))).statusCode, 403)
  t.equal((await refusal(server.dial('', { token: null, socket: { headers, origin: 'https://evil.example' } }))).statusCode, 403)
  await server.connect('', { token: null, socket: { headers, origin: server.origin } })
})

t.test('options of both authenticate and jwt fail the registration', async (t) => {
  const bad: Array<[WsPluginOptions, RegExp]> = [
    [{ ...named, jwt: { secret: SECRET } }, /"jwt" has no effect beside authenticate/],
    [{ ...named, auth: { cookie: 'session' } }, /"auth.cookie" has no effect beside authenticate/],
    [{ jwt: { secret: SECRET }, verifyToken: () => null }, /"verifyToken" has no effect without authenticate/]
  ]
  for (const [options, message] of bad) {
    const app = Fastify()
    t.teardown(() => app.close())
    t.match(await app.register(wsPlugin, options).then(() => null, (error: Error) => error), { code: 'WSM_ERR_INVALID_OPTION', message })
  }
})
