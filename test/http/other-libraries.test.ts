import fastifyHttpProxy from '@fastify/http-proxy'
import fastifyWebsocket from '@fastify/websocket'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { Server as SocketIoServer } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import wsPlugin, { type WsPluginOptions } from '../../lib/index.js'
import { SECRET, startApp, TestApp } from '../fixtures/app.js'
import { TestClient, event } from '../fixtures/client.js'
import { RawClient } from '../fixtures/raw-client.js'
import { refusal } from '../fixtures/refusal.js'
import { forge } from '../fixtures/tokens.js'

/** What is behind the proxy: echoes whatever is sent to it. */
async function startUpstream (t: Test): Promise<string> {
  const server = createServer((_request, response) => response.end('"upstream"'))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data, { binary: false })))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Another library that takes upgrades: how it is set up, how its sockets are closed, and how one finds that it has what is its own. */
interface Other { setUp: (app: FastifyInstance) => unknown, close?: () => void, works: (t: Test, server: TestApp) => Promise<{ end: () => Promise<unknown> }> }

const proxies = (prefix: string) => async (t: Test): Promise<Other> => {
  const upstream = await startUpstream(t)
  return {
    setUp: (app) => { app.register(fastifyHttpProxy, { upstream, prefix, rewritePrefix: '/', websocket: true }) },
    works: async (t, server) => {
      const client = await new TestClient(`${server.origin.replace('http', 'ws')}${prefix}/somewhere`).opened()
      client.send({ type: 'echo' })
      await client.next('echo')
      t.equal((await server.rest('GET', `${prefix}/somewhere`)).body, 'upstream')
      return { end: () => client.closed }
    }
  }
}

const socketIo = (options: object) => async (): Promise<Other> => {
  let sockets: SocketIoServer
  return {
    setUp: (app) => {
      sockets = new SocketIoServer(app.server, { serveClient: false, ...options })
      sockets.on('connection', (socket) => socket.on('echo', (data, answer) => answer(data)))
    },
    close: () => { sockets.disconnectSockets(true) },
    works: async (t, server) => {
      const socket: Socket = io(server.origin, { transports: ['websocket'], reconnection: false })
      t.teardown(() => socket.close())
      const gone = new Promise((resolve) => socket.once('disconnect', resolve))
      await event(socket as unknown as NodeJS.EventEmitter, 'connect')
      t.equal(await socket.timeout(5_000).emitWithAck('echo', 'hello'), 'hello')
      return { end: () => gone }
    }
  }
}

/** As the README of ws has it, with an answer that takes a while. */
const byHand = async (): Promise<Other> => {
  const sockets = new WebSocketServer({ noServer: true })
  sockets.on('connection', (client) => client.on('message', (data) => client.send(data, { binary: false })))
  return {
    setUp: (app) => {
      app.server.on('upgrade', (request, socket, head) => {
        if (request.url === '/by-hand') setImmediate(() => sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client)))
      })
    },
    close: () => { for (const client of sockets.clients) client.close() },
    works: async (_t, server) => {
      const client = await new TestClient(`${server.origin.replace('http', 'ws')}/by-hand`).opened()
      client.send({ type: 'echo' })
      await client.next('echo')
      return { end: () => client.closed }
    }
  }
}

const others: Record<string, (t: Test) => Promise<Other>> = {
  '@fastify/http-proxy': proxies('/up'),
  '@fastify/http-proxy for every path that nobody has': proxies(''),
  'Socket.IO': socketIo({}),
  'Socket.IO that asks first': socketIo({ allowRequest: (_request: unknown, done: (error: null, isAllowed: boolean) => void) => { setTimeout(10).then(() => done(null, true)) } }),
  'a listener of the app': byHand
}

type Order = 'before' | 'after' | 'late'
const orders: Order[] = ['before', 'after', 'late']

async function beside (t: Test, other: Other, order: Order, options: WsPluginOptions = {}): Promise<TestApp> {
  const server = await startApp(t, options, {
    before: async (app) => { if (order === 'before') await other.setUp(app) },
    after: async (app) => {
      app.get('/echo', { websocket: true }, (socket) => { socket.on('message', (data) => socket.send(data)) })
      app.addHook('preClose', (done) => {
        other.close?.()
        done()
      })
      if (order === 'after') await other.setUp(app)
      if (order === 'late') app.addHook('onListen', async () => { await other.setUp(app) })
    }
  })
  return server
}

for (const [name, make] of Object.entries(others)) {
  for (const order of orders) {
    // Routes cannot be made any more when the server listens.
    if (order === 'late' && name.includes('proxy')) continue
    t.test(`the plugin and ${name} each take their own upgrades, set up ${order === 'late' ? 'when the server listens' : `${order} the plugin`}`, async (t) => {
      const other = await make(t)
      const server = await beside(t, other, order, { closeTimeoutMs: 200 })
      const theirs = await other.works(t, server)
      const alice = await server.connect('alice')
      await alice.settled()
      const own = await server.dial('alice', { path: '/echo' }).opened()
      own.send({ type: 'echo' })
      await own.next('echo')
      t.match(await refusal(server.dial('alice', { path: '/ws/health', socket: { headers: { origin: 'https://evil.example' } } })), { statusCode: 403 })
      t.match(await refusal(server.dial('alice', { path: '/ws/health' })), { statusCode: 404 })
      t.match(await refusal(server.dial('alice', { token: null })), { statusCode: 401 })
      await other.works(t, server)
      t.equal(server.app.ws.getConnectionCount(), 1)
      await server.app.close()
      t.equal((await alice.closed).code, 1001)
      await theirs.end()
    })
  }
}

t.test('an upgrade stays the plugin\'s even if its admission takes longer than Socket.IO waits', async (t) => {
  const other = await socketIo({ destroyUpgradeTimeout: 10 })()
  const secret = async () => {
    await setTimeout(100)
    return SECRET
  }
  const server = await beside(t, other, 'before', { jwt: { secret } })
  await server.connect('alice', { token: forge({ sub: 'alice' }) })
})

t.test('beside other upgrade listeners, an upgrade that nobody takes is answered after auth.timeoutMs at the latest', async (t) => {
  const other = await byHand()
  const server = await beside(t, other, 'after', { auth: { timeoutMs: 50 } })
  for (const path of ['/nobody', '/by-hand/nobody']) t.match(await refusal(server.dial('alice', { path })), { statusCode: 404 })
  const gone = await RawClient.to(t, server)
  gone.upgrade('/nobody')
  gone.reset()
  await gone.ended
  await server.rest('GET', '/ws/health')
})

t.test('older socket routes of an app that registered @fastify/websocket do not wait for other listeners', async (t) => {
  const other = await socketIo({})()
  const server = await startApp(t, {}, {
    before: async (app) => {
      await app.register(fastifyWebsocket)
      app.register(async (scope) => { scope.get('/echo', { websocket: true }, (socket) => { socket.on('message', (data) => socket.send(data)) }) })
      await other.setUp(app)
    }
  })
  const own = await server.dial('alice', { path: '/echo' }).opened()
  own.send({ type: 'echo' })
  await own.next('echo')
  await other.works(t, server)
  await (await server.connect('alice')).settled()
  t.match(await refusal(server.dial('alice', { path: '/nobody' })), { statusCode: 404 })
})

t.test('a closing server cuts connections without a request, and leaves the sockets of other libraries to them', async (t) => {
  const { close, ...other } = await byHand()
  const server = await beside(t, other, 'before', { closeTimeoutMs: 50 })
  const theirs = await new TestClient(`${server.origin.replace('http', 'ws')}/by-hand`).opened()
  const idle = await RawClient.to(t, server)
  const closed = server.app.close()
  await idle.ended
  theirs.send({ type: 'echo' })
  await theirs.next('echo')
  close!()
  await theirs.closed
  await closed
})

t.test('while the server closes other libraries still get their upgrades, and untaken ones get 503', async (t) => {
  const other = await byHand()
  const server = await beside(t, other, 'before', { closeTimeoutMs: 60_000, auth: { timeoutMs: 50 } })
  const stubborn = await RawClient.open(t, server, 'stubborn')
  const closed = server.app.close()
  t.equal(await stubborn.closeCode(), 1001)
  const theirs = await other.works(t, server)
  for (const path of ['/ws', '/ws/health', '/nobody']) t.match(await refusal(server.dial('alice', { path })), { statusCode: 503 }, path)
  stubborn.reset()
  other.close!()
  await theirs.end()
  await closed
})

/** The plugin in a scope, and in another scope the app's own @fastify/websocket with a route. */
async function startScoped (t: Test, other: Other, isOwnFirst: boolean): Promise<TestApp> {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('preClose', (done) => {
    other.close?.()
    done()
  })
  const own = () => app.register(async (scope) => {
    await scope.register(fastifyWebsocket)
    scope.get('/echo', { websocket: true }, (socket) => { socket.on('message', (data) => socket.send(data)) })
  }, { prefix: '/own' })
  if (isOwnFirst) await own()
  let scoped!: FastifyInstance
  await app.register(async (scope) => {
    scoped = scope
    await scope.register(wsPlugin, { jwt: { secret: SECRET }, closeTimeoutMs: 200 })
  }, { prefix: '/api' })
  if (!isOwnFirst) await own()
  await other.setUp(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const server = new TestApp(scoped, [])
  t.teardown(() => server.hangUp())
  return server
}

for (const [name, make] of Object.entries(others).filter(([name]) => ['@fastify/http-proxy', 'Socket.IO'].includes(name))) {
  for (const isOwnFirst of [true, false]) {
    t.test(`the plugin and ${name} each take their own upgrades if the plugin has a prefix and another scope has @fastify/websocket ${isOwnFirst ? 'before' : 'after'} it`, async (t) => {
      const other = await make(t)
      const server = await startScoped(t, other, isOwnFirst)
      const theirs = await other.works(t, server)
      const alice = await server.connect('alice', { path: '/api/ws' })
      const own = await server.dial('alice', { path: '/own/echo' }).opened()
      own.send({ type: 'echo' })
      await own.next('echo')
      t.match(await refusal(server.dial('alice', { path: '/api/ws', token: null })), { statusCode: 401 })
      t.match(await refusal(server.dial('alice', { path: '/api/ws/health' })), { statusCode: 404 })
      await server.app.close()
      t.equal((await alice.closed).code, 1001)
      await theirs.end()
    })
  }
}

t.test('a plugin at the root leaves older socket routes to the scope that made them', async (t) => {
  const server = await startApp(t, {}, {
    before: async (app) => {
      await app.register(async (scope) => {
        await scope.register(fastifyWebsocket)
        scope.get('/echo', { websocket: true }, (socket) => { socket.on('message', (data) => socket.send(data)) })
      }, { prefix: '/own' })
    }
  })
  const own = await server.dial('alice', { path: '/own/echo' }).opened()
  own.send({ type: 'echo' })
  await own.next('echo')
  await server.connect('alice')
})
