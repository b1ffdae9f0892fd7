import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import wsPlugin, { type EndpointRule } from '../../lib/index.js'
import { SECRET, TestApp, startApp } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'

const desk = (rule: Partial<EndpointRule> = {}) => (app: FastifyInstance) => {
  app.ws.endpoint('/desk/:room', { channels: ['desk'], authorize: () => true, ...rule })
}

t.test('a socket of an endpoint is in the endpoint\'s channels from the start', async (t) => {
  const server = await startApp(t, {}, { after: desk({ channels: ['desk', 'staff'] }) })
  const client = await server.connect('alice', { path: '/desk/7' })
  t.match(client.received[0], { type: 'connection', data: { user_id: 'alice', channel_id: null, channels: ['desk', 'staff'] } })
  t.match(await server.app.ws.sendToChannel('staff', { type: 'app.news' }), { localRecipients: 1 })
  await client.next('app.news')
  t.match(await client.request({ type: 'ping' }), { type: 'reply' }, 'and speaks the same protocol')
  t.same((await server.connect('alice')).received[0]!.data.channels, [], 'the plugin\'s own route has none of them')
})

t.test('an endpoint\'s channels can depend on the request and the user', async (t) => {
  for (const delay of [false, true]) {
    const server = await startApp(t, {}, {
      after: desk({
        channels: (request, user) => {
          const channels = [`desk-${(request.params as { room: string }).room}`, `of-${user?.id}`]
          return delay ? Promise.resolve(channels) : channels
        }
      })
    })
    const client = await server.connect('alice', { path: '/desk/7' })
    t.same(client.received[0]!.data.channels, ['desk-7', 'of-alice'])
  }
})

t.test('a socket keeps an endpoint\'s channels when its user refreshes the token, and leaves them when it switches users', async (t) => {
  const server = await startApp(t, {}, { after: desk() })
  const client = await server.connect('alice', { path: '/desk/7' })
  t.same((await client.request({ type: 'auth', token: server.token('alice') })).data.channels, ['desk'])
  t.same((await client.request({ type: 'auth', token: server.token('bob') })).data.channels, [])
})

t.test('an endpoint admits a client only if authorize returns true', async (t) => {
  for (const answer of [false, undefined, 1, 'yes']) {
    const server = await startApp(t, {}, { after: desk({ authorize: () => answer as boolean, channels: () => { t.fail('it is refused already'); return [] } }) })
    t.match(await refusal(server.dial('alice', { path: '/desk/7' })), { statusCode: 403, body: { code: 'WSM_ERR_FORBIDDEN' } }, String(answer))
    t.equal(server.app.ws.getConnectionCount(), 0)
  }
  const server = await startApp(t, { rejectMode: 'close' }, { after: desk({ authorize: async (_request, user) => user?.id === 'alice' }) })
  await server.connect('alice', { path: '/desk/7' })
  const bob = await server.dial('bob', { path: '/desk/7' }).opened()
  t.match(await bob.closed, { code: 4403 })
})

t.test('an endpoint whose rule throws refuses the client, and the error is hidden from it', async (t) => {
  const fail = () => { throw new Error('the database is down') }
  const rules: Array<Partial<EndpointRule>> = [
    { authorize: fail }, { authorize: async () => fail() }, { channels: fail }, { channels: async () => fail() },
    { channels: () => undefined as never }, { channels: () => [''] }, { channels: () => [7 as never] },
    // Only a handler's own errors are for the client.
    { channels: () => { throw Object.assign(new Error('the database is down'), { statusCode: 404, code: 'NO_DESK' }) } }
  ]
  for (const [index, rule] of rules.entries()) {
    const server = await startApp(t, {}, { after: desk(rule) })
    const answer = await refusal(server.dial('alice', { path: '/desk/7' }))
    const isUndecided = rule.authorize !== undefined
    t.match(answer, isUndecided ? { statusCode: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } } : { statusCode: 500, body: { code: 'WSM_ERR_INTERNAL' } }, `rule ${index}`)
    t.notMatch(JSON.stringify(answer.body), /database/)
    t.match(server.logs.find(({ level }) => level >= 50), { err: { stack: String } })

    const closing = await startApp(t, { rejectMode: 'close' }, { after: desk(rule) })
    const client = await closing.dial('alice', { path: '/desk/7' }).opened()
    t.match(await client.closed, { code: isUndecided ? 1013 : 1011, reason: /^(?!.*database)/ }, `rule ${index}`)
    t.match(closing.logs.find(({ level }) => level >= 50), { err: { stack: String } })
  }
})

t.test('an endpoint refuses a client with more than limits.maxChannelsPerConnection channels', async (t) => {
  const server = await startApp(t, { limits: { maxChannelsPerConnection: 2 }, authorizeSubscribe: () => true }, {
    after: desk({ channels: ['a', 'b'] })
  })
  const client = await server.connect('alice', { path: '/desk/7' })
  t.same(client.received[0]!.data.channels, ['a', 'b'])
  const answer = await refusal(server.dial('alice', { path: '/desk/7?channel_id=c' }))
  t.match(answer, { statusCode: 429, body: { code: 'WSM_ERR_TOO_MANY_CHANNELS' } })
  await server.connect('alice', { path: '/desk/7?channel_id=b' })
})

t.test('an endpoint whose rule hangs refuses the client after auth.timeoutMs', async (t) => {
  const server = await startApp(t, { auth: { timeoutMs: 30 } }, { after: desk({ channels: () => new Promise(() => {}) }) })
  t.match(await refusal(server.dial('alice', { path: '/desk/7' })), { statusCode: 503 })
})

t.test('an endpoint refuses an upgrade without a token, even with auth.firstFrame', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true } }, { after: desk({ authorize: () => { t.fail('nobody is asked'); return true } }) })
  t.equal((await refusal(server.dial('alice', { token: null, path: '/desk/7' }))).statusCode, 401)
})

t.test('with auth.anonymous an endpoint\'s authorize decides about anonymous clients', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true } }, { after: desk({ authorize: (_request, user) => user === null }) })
  const client = await server.connect('nobody', { token: null, path: '/desk/7' })
  t.match(client.received[0], { data: { user_id: null, channels: ['desk'] } })
  t.equal((await refusal(server.dial('alice', { path: '/desk/7' }))).statusCode, 403)
})

t.test('a GET request without upgrade on an endpoint is answered with 426', async (t) => {
  const server = await startApp(t, {}, { after: desk() })
  t.match(await server.rest('GET', '/desk/7'), { status: 426, body: { code: 'WSM_ERR_UPGRADE_REQUIRED' } })
})

t.test('an endpoint in a scope has the scope\'s prefix and hooks, and its own rule is checked as well', async (t) => {
  const asked: string[] = []
  const server = await startApp(t, {}, {
    after: async (app) => {
      await app.register(async (scope) => {
        scope.addHook('onRequest', async (request) => {
          asked.push(request.url)
          if (request.headers['x-team'] !== 'red') throw Object.assign(new Error('Not of the team'), { statusCode: 403, code: 'TEAM' })
        })
        scope.ws.endpoint('/desk/:room', { channels: ['desk'], authorize: (_request, user) => user?.id === 'alice' }, { scope })
      }, { prefix: '/api' })
    }
  })
  const path = '/api/desk/7'
  const socket = { headers: { 'x-team': 'red' } }
  t.same((await server.connect('alice', { path, socket })).received[0]!.data.channels, ['desk'])
  t.match(await refusal(server.dial('alice', { path })), { statusCode: 403, body: { code: 'TEAM' } })
  t.match(await refusal(server.dial('bob', { path, socket })), { statusCode: 403, body: { code: 'WSM_ERR_FORBIDDEN' } })
  t.match(await refusal(server.dial('alice', { path: '/desk/7', socket })), { statusCode: 404 })
  await server.connect('alice')
  t.same(asked, [path, path, path], 'elsewhere they are not asked')
})

t.test('an endpoint without a scope belongs to the scope of the plugin', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  let server!: TestApp
  await app.register(async (scope) => {
    await scope.register(wsPlugin, { jwt: { secret: SECRET } })
    scope.ws.endpoint('/desk', { channels: ['desk'], authorize: () => true })
    server = new TestApp(scope, [])
  }, { prefix: '/api' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  await server.connect('alice', { path: '/api/desk' })
})

t.test('an endpoint in a scope without the plugin is refused', async (t) => {
  const [one, two] = [await startApp(t), Fastify()]
  for (const scope of [two, {}]) {
    t.throws(() => one.app.ws.endpoint('/desk', { channels: [], authorize: () => true }, { scope: scope as FastifyInstance }), { code: 'WSM_ERR_INVALID_HANDLER', message: /"\/desk".*scope/ })
  }
})
