import fastifyWebsocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import wsPlugin, { type WsPluginOptions } from '../../lib/index.js'
import { SECRET, startApp, type AppOptions, type TestApp } from '../fixtures/app.js'
import { TestClient } from '../fixtures/client.js'
import { RawClient } from '../fixtures/raw-client.js'
import { refusal } from '../fixtures/refusal.js'

const EVIL = { socket: { headers: { origin: 'https://evil.example' } } }
/** The plugin's routes that open no socket, and some that there are not. */
const NO_SOCKETS = [
  '/health', '/ready', '/status', '/confirmations', '/confirmations/x', '/clients', '/clients/x', '/channels', '/channels/room', '/tasks', '/tasks/x', '/nothing', '/', '/call/x.y',
  '/%68ealth', '//health'
]

const echo = (app: FastifyInstance, url: string) => app.get(url, { websocket: true }, (socket) => { socket.on('message', (data) => socket.send(data)) })
const both = (app: FastifyInstance, url: string) => app.route({
  method: 'GET', url, handler: () => ({ plain: true }), wsHandler: (socket) => { socket.on('message', (data) => socket.send(data)) }
})

async function echoes (t: Test, server: TestApp, path: string): Promise<void> {
  const client = await server.dial('alice', { path }).opened()
  client.send({ type: 'echo' })
  await client.next('echo')
  await client.close()
  t.pass(`${path} is the app's`)
}

t.test('an upgrade on the plugin\'s path that is not for the socket is 404, or 403 from a foreign page, with or without a valid token', async (t) => {
  for (const [path, options] of [['/ws', {}], ['/ws', { rejectMode: 'close', auth: { anonymous: true } }], ['/real/time', { path: '/real/time' }]] satisfies [string, WsPluginOptions][]) {
    const server = await startApp(t, options)
    for (const as of [null, { roles: ['ws:admin'] }]) {
      const who = as === null ? { token: null } : { claims: as }
      for (const route of NO_SOCKETS) {
        t.match(await refusal(server.dial('alice', { path: path + route, ...who })), { statusCode: 404 }, `${path}${route}`)
        t.match(await refusal(server.dial('alice', { path: path + route, ...who, ...EVIL })), { statusCode: route === '//health' ? /403|404/ : 403 }, `${path}${route} from elsewhere`)
      }
    }
    t.ok(server.app.ws.getStatus().rejected.origin >= 2 * (NO_SOCKETS.length - 1))
    t.equal(server.app.ws.getConnectionCount(), 0)
    await server.app.close()
  }
})

t.test('an upgrade on the plugin\'s path that is not for the socket counts for its address', async (t) => {
  const server = await startApp(t, { limits: { connectionsPerIpPerMinute: 3 } })
  for (const path of ['/ws/health', '/ws/nothing', '/ws/ready']) t.match(await refusal(server.dial('alice', { path })), { statusCode: 404 })
  for (const path of ['/ws/health', '/ws/nothing', '/ws']) t.match(await refusal(server.dial('alice', { path })), { statusCode: 429 })
  t.equal(server.app.ws.getStatus().rejected.connections_per_ip, 3)
})

t.test('an upgrade with an undecodable URL counts for its address, and no route takes it', async (t) => {
  const server = await startApp(t, { limits: { connectionsPerIpPerMinute: 3 } }, { after: (app) => app.ws.endpoint('/ws/own/:id', { channels: [], authorize: () => true }) })
  const statuses: number[] = []
  for (const path of ['/ws/%zz', '/%77s/own/%zz?x=1', 'http://x/ws/own/%ff', '/ws/%zz', '/ws/health']) {
    const client = await RawClient.to(t, server)
    client.upgrade(path, { authorization: `Bearer ${server.token('alice')}` })
    statuses.push((await client.response()).status)
    await client.ended
  }
  t.same(statuses, [404, 404, 404, 429, 429])
  const elsewhere = await RawClient.to(t, server)
  elsewhere.upgrade('/%zz')
  t.equal((await elsewhere.response()).status, 400, 'elsewhere it is the app\'s')
  t.equal(server.app.ws.getStatus().rejected.connections_per_ip, 2)
})

t.test('an upgrade on the plugin\'s path that is not for the socket is refused with any method, and its connection ends', async (t) => {
  const server = await startApp(t)
  for (const method of ['GET', 'POST', 'HEAD', 'DELETE']) {
    for (const path of ['/ws/health', '/ws/broadcast', '/ws/call/x.y']) {
      const client = await RawClient.to(t, server)
      client.socket.write(`${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${'A'.repeat(22)}==\r\n\r\n`)
      t.equal((await client.response()).status, 404, `${method} ${path}`)
      await client.ended
    }
  }
})

/** Plain routes and socket routes of an app: on the instance itself and in a plugin of it. */
function routesOf (app: FastifyInstance, prefix: string): void {
  echo(app, `${prefix}/echo`)
  both(app, `${prefix}/both`)
  app.get(`${prefix}/plain`, () => ({ plain: true }))
  app.register(async (scope) => {
    echo(scope, '/echo')
    scope.get('/plain', () => ({ plain: true }))
  }, { prefix: `${prefix}/in` })
}

const orders: Record<string, AppOptions & { prefixes: string[] }> = {
  'after the plugin': { prefixes: ['/after'], after: (app) => routesOf(app, '/after') },
  'before and after it, with @fastify/websocket from the app': {
    prefixes: ['/after'],
    before: async (app) => {
      await app.register(fastifyWebsocket)
      app.register(async (scope) => { echo(scope, '/before/echo') })
    },
    after: (app) => routesOf(app, '/after')
  }
}

for (const [name, { prefixes, ...app }] of Object.entries(orders)) {
  t.test(`an app's socket routes stay its own, and its plain routes get no socket: ${name}`, async (t) => {
    const server = await startApp(t, {}, app)
    server.app.ws.on('client_connected', () => { t.fail('it is none of ours') })
    for (const prefix of prefixes) {
      for (const path of ['/echo', '/both', '/in/echo']) await echoes(t, server, prefix + path)
      for (const path of ['/plain', '/in/plain']) {
        t.match(await refusal(server.dial('alice', { path: prefix + path, ...EVIL })), { statusCode: 404, body: { statusCode: 404 } }, path)
        t.match(await server.rest('GET', prefix + path), { status: 200, body: { plain: true } })
      }
      t.match(await server.rest('GET', `${prefix}/both`), { status: 200, body: { plain: true } })
    }
    t.match(await refusal(server.dial('alice', { path: '/nowhere' })), { statusCode: 404 })
    t.equal(server.app.ws.getStatus().rejected.origin, 0, 'whose pages may use the app\'s routes is the app\'s to say')
    t.equal(server.app.ws.getConnectionCount(), 0)
  })
}

t.test('socket routes from before the plugin stay if the app registered @fastify/websocket', async (t) => {
  const server = await startApp(t, {}, {
    before: async (app) => {
      await app.register(fastifyWebsocket)
      routesOf(app, '/before')
    }
  })
  for (const path of ['/echo', '/both', '/in/echo']) await echoes(t, server, `/before${path}`)
})

t.test('a plain route from before the plugin gets no socket', async (t) => {
  const server = await startApp(t, {}, {
    before: async (app) => {
      app.get('/plain', () => ({ plain: true }))
      await app.register(async (scope) => { scope.get('/in/plain', () => ({ plain: true })) })
    }
  })
  for (const path of ['/plain', '/in/plain']) {
    const client = await RawClient.to(t, server)
    client.upgrade(path)
    t.equal((await client.response()).status, 404)
    await client.ended
  }
})

t.test('in a scope with a prefix the gate applies to its routes; others ignore the upgrade, and their connection ends', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/plain', () => ({ plain: true }))
  app.get('/live/health', () => ({ plain: true }))
  await app.register(async (scope) => { await scope.register(wsPlugin, { jwt: { secret: SECRET }, path: '/live' }) }, { prefix: '/api' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const dial = (path: string, options = {}) => refusal(new TestClient(app.listeningOrigin.replace('http', 'ws') + path, [], options))
  t.match(await dial('/api/live/health'), { statusCode: 404 })
  t.match(await dial('/api/live/health', EVIL.socket), { statusCode: 403 })
  for (const [path, status] of [['/plain', 200], ['/live/health', 200], ['/nowhere', 404], ['/api/live/nothing', 404]] as const) {
    const client = await RawClient.to(t, { origin: app.listeningOrigin })
    client.upgrade(path)
    t.equal((await client.response()).status, status, path)
    await client.ended
  }
})
