import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import wsPlugin, { type WsPluginOptions } from '../../lib/index.js'
import { SECRET, inAnHour, startApp } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'
import { forge } from '../fixtures/tokens.js'

/** What the host does before the plugin: it registers @fastify/jwt for itself. */
const host = (options: Partial<FastifyJWTOptions> = {}) => async (app: FastifyInstance) => {
  await app.register(fastifyJwt, { secret: SECRET, ...options })
}

async function registration (t: Test, options: WsPluginOptions, before?: (app: FastifyInstance) => Promise<void>): Promise<unknown> {
  const app = Fastify()
  t.teardown(() => app.close())
  await before?.(app)
  return app.register(wsPlugin, options).then(() => null, (error: unknown) => error)
}

t.test('the host\'s own @fastify/jwt is used, and keeps working for the host', async (t) => {
  const server = await startApp(t, {}, {
    before: host(),
    after: (app) => { app.get('/me', async (request) => { await request.jwtVerify(); return request.user }) }
  })
  const client = await server.connect('alice')
  t.equal(client.received[0]!.data.user_id, 'alice')
  t.match(await server.rest('GET', '/me', { as: 'alice' }), { status: 200, body: { sub: 'alice' } })
})

t.test('expires_at is the token\'s expiry, even if the host\'s formatUser drops exp', async (t) => {
  const exp = inAnHour()
  const server = await startApp(t, { auth: { firstFrame: true } }, { before: host({ formatUser: () => ({ name: 'somebody' }) }) })
  const client = await server.connect('alice', { claims: { exp } })
  t.match(client.received[0], { data: { user_id: 'alice', expires_at: exp * 1000 } })
  const { data } = await client.request({ type: 'auth', token: server.token('alice', { exp: exp + 60 }) })
  t.equal(data.expires_at, (exp + 60) * 1000)
})

t.test('tokens are decoded correctly for a host that decodes them with their headers', async (t) => {
  const exp = inAnHour()
  const server = await startApp(t, {}, { before: host({ decode: { complete: true } }) })
  const client = await server.connect('alice', { claims: { exp } })
  t.match(client.received[0], { data: { user_id: 'alice', expires_at: exp * 1000 } })
})

t.test('claims that look like a decoded token do not name another user', async (t) => {
  const server = await startApp(t)
  const token = forge({ sub: 'mallory', header: {}, payload: { sub: 'admin' }, signature: 'x' })
  const client = await server.connect('mallory', { token })
  t.equal(client.received[0]!.data.user_id, 'mallory')
})

t.test('the host\'s requirements on tokens also apply to sockets', async (t) => {
  const server = await startApp(t, {}, { before: host({ verify: { allowedIss: 'us', requiredClaims: ['iss'] }, trusted: (_request, token) => (token as { jti?: string }).jti !== 'stolen' }) })
  t.equal((await refusal(server.dial('alice'))).statusCode, 401, 'no issuer')
  t.equal((await refusal(server.dial('alice', { claims: { iss: 'them' } }))).statusCode, 401, 'another issuer')
  t.equal((await refusal(server.dial('alice', { claims: { iss: 'us', jti: 'stolen' } }))).statusCode, 401, 'not trusted')
  const client = await server.connect('alice', { claims: { iss: 'us' } })
  t.match(await client.request({ type: 'auth', token: server.token('bob', { iss: 'us', jti: 'stolen' }) }), { code: 'unauthorized' })
})

t.test('socket tokens are verified even if the host reads its tokens elsewhere', async (t) => {
  for (const verify of [{ extractToken: () => 'nothing of the kind' }, { onlyCookie: true }]) {
    const server = await startApp(t, {}, { before: host({ verify, cookie: { cookieName: 'token', signed: false } }) })
    const client = await server.connect('alice')
    t.match(await client.request({ type: 'auth', token: server.token('bob') }), { type: 'reply', data: { user_id: 'bob' } })
    t.match(await client.request({ type: 'auth', token: 'bad' }), { code: 'unauthorized' })
    t.equal((await refusal(server.dial('alice', { token: 'bad' }))).statusCode, 401)
  }
})

t.test('a namespace keeps the plugin\'s tokens apart from the host\'s', async (t) => {
  for (const jwtVerify of [undefined, 'checkSocketToken']) {
    const server = await startApp(t, { jwt: { namespace: 'sockets', secret: 'another secret of tests, long enough', jwtVerify } }, {
      before: host({ namespace: 'site' })
    })
    const token = forge({ sub: 'alice' }, { secret: 'another secret of tests, long enough' })
    const client = await server.connect('alice', { token })
    t.match(await client.request({ type: 'auth', token }), { type: 'reply', data: { user_id: 'alice' } })
    t.equal((await refusal(server.dial('alice', { token: forge({ sub: 'alice' }) }))).statusCode, 401, 'the host\'s token')
  }
})

t.test('a namespace works beside a host without one', async (t) => {
  const server = await startApp(t, { jwt: { namespace: 'sockets', secret: 'another secret of tests, long enough' } }, { before: host() })
  const client = await server.connect('alice', { token: forge({ sub: 'alice' }, { secret: 'another secret of tests, long enough' }) })
  t.equal(client.received[0]!.data.user_id, 'alice')
  t.equal((await refusal(server.dial('alice'))).statusCode, 401, 'the host\'s token')
})

t.test('a namespace registered by the host is used', async (t) => {
  for (const jwtVerify of [undefined, 'checkSiteToken']) {
    const server = await startApp(t, { jwt: { namespace: 'site', jwtVerify } as FastifyJWTOptions }, {
      before: async (app) => {
        await host({ namespace: 'admin', secret: 'the secret of administrators, long' })(app)
        await host({ namespace: 'site', jwtVerify })(app)
      }
    })
    const client = await server.connect('alice', { token: forge({ sub: 'alice' }) })
    t.equal(client.received[0]!.data.user_id, 'alice')
  }
})

t.test('jwtVerify without a namespace has no effect, as in @fastify/jwt itself', async (t) => {
  const server = await startApp(t, { jwt: { secret: SECRET, jwtVerify: 'check' } })
  const client = await server.connect('alice')
  t.equal(client.received[0]!.data.user_id, 'alice')
})

t.test('a jwt option that conflicts with the host fails the registration by name', async (t) => {
  const faults: Array<[string, WsPluginOptions, ((app: FastifyInstance) => Promise<void>) | undefined, RegExp]> = [
    ['it is missing', {}, undefined, /"jwt" is needed/],
    ['the host has one already', { jwt: { secret: SECRET } }, host(), /"jwt" conflicts with @fastify\/jwt, which the app has registered/],
    ['the host has one of that namespace', { jwt: { namespace: 'site', secret: SECRET } }, host({ namespace: 'site' }), /"jwt" conflicts with @fastify\/jwt, which the app has registered/],
    ['the host has namespaces only', {}, host({ namespace: 'site' }), /"jwt" is needed/],
    ['it needs a namespace beside the host\'s', { jwt: { secret: SECRET } }, host({ namespace: 'site' }), /"jwt" is not valid/],
    ['it would take a decorator of the host', { jwt: { secret: SECRET } }, async (app) => { app.decorateRequest('user', '') }, /"jwt" is not valid: .*user/],
    ['it has no secret', { jwt: {} as FastifyJWTOptions }, undefined, /"jwt" is not valid: missing secret/],
    ['its secret cannot sign', { jwt: { secret: SECRET, sign: { algorithm: 'RS256' } } }, undefined, /"jwt" is not valid: RSA/],
    ['the host named its verifier otherwise', { jwt: { namespace: 'site' } as FastifyJWTOptions }, host({ namespace: 'site', jwtVerify: 'check' }), /"jwt" .*no siteJwtVerify\(\)/],
    ['it is no object', { jwt: 'secret' as never }, undefined, /"jwt" is not valid/]
  ]
  for (const [fault, options, before, message] of faults) {
    t.match(await registration(t, options, before), { code: 'WSM_ERR_INVALID_OPTION', message }, fault)
  }
})

t.test('no error of a refused registration contains the secret', async (t) => {
  for (const jwt of [SECRET as never, { secret: SECRET, sign: { algorithm: 'RS256' } } as FastifyJWTOptions]) {
    const error = await registration(t, { jwt }) as Error
    t.notMatch(error.message, SECRET)
    t.notMatch(error.stack, SECRET)
  }
})
