import fastifyJwt from '@fastify/jwt'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { isWsRoute } from '../../lib/index.js'
import { SECRET, startApp, type AppOptions } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'

/** An app that asks for a token in every request, but for those that its hook leaves out. */
const asking = (isLeftOut: typeof isWsRoute): AppOptions => ({
  before: async (app) => {
    await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'] } })
    app.addHook('onRequest', async (request) => { if (!isLeftOut(request)) await request.jwtVerify() })
  },
  after: (app) => {
    app.get('/own', async () => 'own')
    app.ws.handle('app.act', { schema: Type.Object({}), rest: true }, (_message, { user }) => user?.id)
    app.ws.endpoint('/desk', { channels: ['desk'], authorize: (_request, user) => user?.id === 'alice' })
  }
})

t.test('an app hook that skips the plugin\'s routes leaves access control to the plugin', async (t) => {
  const server = await startApp(t, {}, asking(isWsRoute))
  for (const path of ['/ws', '/desk']) {
    await server.connect('alice', { path })
    t.match(await refusal(server.dial('alice', { path, token: null })), { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } }, path)
  }
  t.match(await refusal(server.dial('bob', { path: '/desk' })), { statusCode: 403 })
  for (const path of ['/ws/health', '/ws/ready']) t.equal((await server.rest('GET', path, { as: null })).status, 200, path)
  t.match(await server.rest('POST', '/ws/call/app.act', { as: 'alice', body: {} }), { status: 200, body: { data: 'alice' } })
  for (const [method, path] of [['POST', '/ws/call/app.act'], ['POST', '/ws/call/app.none'], ['GET', '/ws/status'], ['POST', '/ws/tickets']] as const) {
    t.match(await server.rest(method, path, { as: null }), { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } }, path)
  }
  for (const path of ['/own', '/nothing', '/ws/nothing']) t.match(await server.rest('GET', path, { as: null }), { status: 401, body: { code: /^FST_JWT_/ } }, path)
})

t.test('an app hook that does not skip the plugin\'s routes runs first, and does not see subprotocol tokens', async (t) => {
  const server = await startApp(t, {}, asking(() => false))
  t.match(await refusal(server.dial('alice')), { statusCode: 401, body: { code: /^FST_JWT_/ } })
  t.equal((await server.rest('GET', '/ws/health', { as: null })).status, 401)
  await server.connect('alice', { token: null, socket: { headers: { authorization: `Bearer ${server.token('alice')}` } } })
})
