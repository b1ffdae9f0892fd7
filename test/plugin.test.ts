import { once } from 'node:events'
import { createRequire } from 'node:module'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import wsPlugin, { wsPlugin as named } from '../lib/index.js'
import { SECRET, startApp } from './fixtures/app.js'
import { TestClient } from './fixtures/client.js'
import { spawnNode } from './fixtures/process.js'
import { root } from './fixtures/root.js'

const options = { jwt: { secret: SECRET } }

function create (t: Test): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  return app
}

t.test('the package exports the plugin as default and by name', (t) => {
  t.equal(wsPlugin, named)
  t.end()
})

t.test('a second registration fails with a clear error', async (t) => {
  const app = create(t)
  await app.register(wsPlugin, options)
  await t.rejects(Promise.resolve(app.register(wsPlugin, options)), { code: 'WSM_ERR_ALREADY_REGISTERED', message: /already registered/ })
})

t.test('a second registration in a child scope fails with a clear error', async (t) => {
  const app = create(t)
  await app.register(wsPlugin, options)
  app.register(async (child) => { await child.register(wsPlugin, { ...options, path: '/other' }) })
  await t.rejects(Promise.resolve(app.ready()), { code: 'WSM_ERR_ALREADY_REGISTERED' })
})

t.test('a second registration in a sibling scope, which shares only the server, fails with a clear error', async (t) => {
  const app = create(t)
  app.register(async (child) => { await child.register(wsPlugin, options) })
  app.register(async (child) => { await child.register(wsPlugin, { ...options, path: '/other' }) })
  await t.rejects(Promise.resolve(app.ready()), { code: 'WSM_ERR_ALREADY_REGISTERED' })
})

t.test('two apps in one process are independent', async (t) => {
  const [one, two] = [await startApp(t), await startApp(t)]
  const [alice, bob] = [await one.connect('alice'), await two.connect('alice')]
  t.match(await one.app.ws.broadcast({ type: 'app.news' }), { localRecipients: 1 })
  await alice.next('app.news')
  await bob.settled()
  t.equal(bob.count('app.news'), 0)
  t.not(one.app.ws.getStatus().node_id, two.app.ws.getStatus().node_id)
  await one.app.close()
  await bob.settled()
  t.equal(two.app.ws.getConnectionCount(), 1)
})

t.test('in a scope the manager is the scope\'s, and its hooks are called', async (t) => {
  const app = create(t)
  const seen: string[] = []
  await app.register(async (scope) => {
    scope.addHook('onRequest', async (request) => { seen.push(request.url) })
    await scope.register(wsPlugin, { ...options, path: '/live' })
    scope.get('/count', () => ({ count: scope.ws.getConnectionCount() }))
  }, { prefix: '/api' })
  t.notOk(app.hasDecorator('ws'))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const token = (await import('./fixtures/tokens.js')).forge({ sub: 'alice' })
  const client = await new TestClient(`${app.listeningOrigin.replace('http', 'ws')}/api/live`, ['ws-manager.v1', `bearer.${token}`]).opened()
  await client.next('connection')
  t.same(await (await fetch(`${app.listeningOrigin}/api/count`)).json(), { count: 1 })
  t.same(seen, ['/api/live', '/api/count'])
})

t.test('requests have all the plugin\'s fields from the beginning, so that each has the same shape', async (t) => {
  const app = create(t)
  await app.register(wsPlugin, options)
  for (const name of ['wsUser', 'wsPending', 'wsAdmission']) t.ok(app.hasRequestDecorator(name), name)
})

t.test('option path moves the socket and the REST routes', async (t) => {
  const server = await startApp(t, { path: '/real/time' })
  const client = await server.connect('alice', { path: '/real/time' })
  t.match((await server.rest('GET', '/real/time/status')).body, { active_connections: 1 })
  t.equal((await server.rest('GET', '/ws/status')).status, 404)
  await client.close()
})

t.test('the status shows where the server listens, or that it does not', async (t) => {
  const app = create(t)
  await app.register(wsPlugin, options)
  await app.ready()
  t.match(app.ws.getStatus(), { running: false, host: null, port: null, active_connections: 0, pending_callbacks: 0 })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = new URL(app.listeningOrigin)
  const { version } = createRequire(import.meta.url)('fastify-ws-manager/package.json') as { version: string }
  t.match(app.ws.getStatus(), { running: true, host: '127.0.0.1', port: Number(port), version })
  await app.close()
  t.match(app.ws.getStatus(), { running: false, host: null, port: null })
})

t.test('an app that never listened closes, and so does one that was never ready', async (t) => {
  for (const prepare of [(app: FastifyInstance) => app.ready(), () => {}]) {
    const app = create(t)
    await app.register(wsPlugin, options)
    await prepare(app)
    await app.close()
    t.equal(app.ws.getHealth().status, 'closing')
  }
})

t.test('after the close the plugin no longer watches the server', async (t) => {
  const app = create(t)
  const before = app.server.listenerCount('upgrade')
  await app.register(wsPlugin, options)
  await app.ready()
  t.ok(app.server.listenerCount('upgrade') > before)
  await app.close()
  t.equal(app.server.listenerCount('upgrade'), before)
  t.equal(app.websocketServer.listenerCount('connection'), 0)
})

t.test('an engine that rejects with a non-error fails the registration', async (t) => {
  for (const thrown of [undefined, null, 'out of reach', 7n]) {
    const app = Fastify()
    t.teardown(() => app.close())
    const failed = await app.register(wsPlugin, { jwt: { secret: 'a secret of tests that is long enough' }, engine: () => Promise.reject(thrown) }).then(() => null, (error: Error) => error)
    t.match(failed, { code: 'WSM_ERR_INVALID_OPTION', message: /"engine" failed: / }, String(thrown))
  }
})

t.test('a process that only injects requests ends by itself, as with plain Fastify', async (t) => {
  const child = spawnNode(['--input-type=module', '--eval', `
    import Fastify from 'fastify'
    import { Type } from '@sinclair/typebox'
    import wsPlugin from './dist/lib/index.js'

    const app = Fastify()
    await app.register(wsPlugin, { jwt: { secret: '${SECRET}' }, channels: { room: { presence: true } } })
    app.ws.handle('echo.text', { schema: Type.Object({}), rest: true }, () => ({}))
    await app.ready()
    const headers = { authorization: 'Bearer ' + app.jwt.sign({ sub: 'alice', roles: ['ws:admin'] }, { expiresIn: '1h' }) }
    const post = async (url, payload = {}) => (await app.inject({ method: 'POST', url, headers, payload })).statusCode
    const statuses = [await post('/ws/call/echo.text'), await post('/ws/broadcast', { message: { type: 'x.n' } }), await post('/ws/revocations', { jti: 'x' })]
    const ticket = await app.inject({ method: 'POST', url: '/ws/tickets', headers })
    const { task } = await app.ws.tasks.start({ userId: 'alice' })
    const answer = app.ws.notifyUser({ step: 'check', message: 'Go on?' }, { userId: 'alice', taskId: task.task_id })
    await app.ws.tasks.cancel(task.task_id)
    console.log(JSON.stringify([...statuses, ticket.statusCode, (await answer).outcome]))
  `], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [output] = await Promise.all([child.stdout!.toArray(), once(child, 'exit', { signal: AbortSignal.timeout(20_000) })])
  t.strictSame([child.exitCode, JSON.parse(Buffer.concat(output).toString())], [0, [200, 200, 200, 200, 'cancelled']])
})
