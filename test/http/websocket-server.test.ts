import fastifyWebsocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { TestClient } from '../fixtures/client.js'
import { RawClient } from '../fixtures/raw-client.js'

/** A host with @fastify/websocket, an echo of its own and a plain route. */
async function hosted (t: Test, websocket: WebsocketPluginOptions, options: WsPluginOptions = {}) {
  const server = await startApp(t, options, {
    before: async (app) => {
      await app.register(fastifyWebsocket, websocket)
      ownRoutes(app)
    }
  })
  return { server, echo: (protocols: string[] = []) => new TestClient(`${server.origin.replace('http', 'ws')}/echo`, protocols).opened() }
}

function ownRoutes (app: FastifyInstance): void {
  app.register(async (scope) => {
    scope.get('/echo', { websocket: true }, (socket) => { socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })) })
    scope.get('/plain', () => ({ plain: true }))
  })
}

const framed = (bytes: number) => ({ type: 'echo', text: 'x'.repeat(bytes) })

t.test('a host that registered @fastify/websocket first keeps its socket routes and their payload limit', async (t) => {
  for (const [websocket, limit] of [[{}, 100_000_000], [{ options: { maxPayload: 200_000 } }, 200_000]] as const) {
    const { server, echo } = await hosted(t, websocket)
    const client = await server.connect('alice')
    t.equal(client.received[0]!.data.user_id, 'alice')
    const own = await echo()
    own.send(framed(150_000))
    t.equal((await own.next('echo')).text.length, 150_000, 'more than limits.maxPayloadBytes')
    if (limit === 200_000) {
      own.send(framed(limit))
      t.equal((await own.closed).code, 1009)
    }
    await client.settled()
    t.equal(server.app.ws.getConnectionCount(), 1, 'its sockets are not ours')
  }
})

t.test('the plugin\'s sockets keep their limit and close codes beside a host\'s own @fastify/websocket', async (t) => {
  const { server, echo } = await hosted(t, {})
  const own = await echo()
  const tooBig = await server.connect('alice')
  tooBig.send({ type: 'ping', padding: 'x'.repeat(1_000_000) })
  t.equal((await tooBig.closed).code, 1009)
  const client = await server.connect('alice')
  await server.app.close()
  t.same(await client.closed, { code: 1001, reason: 'The server is closing' })
  t.equal((await own.closed).code, 1005, 'what the host does with its own is its business')
})

t.test('a client that does not answer the close frame is cut in time beside a host\'s own @fastify/websocket', async (t) => {
  const { server } = await hosted(t, {}, { closeTimeoutMs: 40 })
  const client = await RawClient.open(t, server, 'alice')
  await server.app.ws.disconnect({ userId: 'alice' })
  t.equal(await client.closeCode(), 4403)
  await client.ended
})

t.test('the log warns if the host\'s payload limit is far above the plugin\'s', async (t) => {
  const warnings = async (websocket: WebsocketPluginOptions) => {
    const { server } = await hosted(t, websocket)
    return server.logs.filter(({ level, msg }) => level === 40 && /maxPayload/.test(msg)).length
  }
  t.equal(await warnings({}), 1)
  t.equal(await warnings({ options: { maxPayload: 0 } }), 1, 'no limit')
  t.equal(await warnings({ options: { maxPayload: 65_536 } }), 0)
})

t.test('a host that tracks no clients or compresses is supported', async (t) => {
  const { server } = await hosted(t, { options: { clientTracking: false, perMessageDeflate: { threshold: 0 } } })
  const client = await server.connect('alice')
  t.match(client.socket.extensions, /permessage-deflate/)
  client.send({ type: 'ping', timestamp: 'x'.repeat(64) })
  t.equal((await client.next('pong')).timestamp, 'x'.repeat(64))
  for (const text of ['x'.repeat(20_000), 'x'.repeat(20_000)]) {
    await server.app.ws.broadcast({ type: 'app.news', text })
    t.equal((await client.next('app.news')).text, text)
  }
  await server.app.close()
  t.equal((await client.closed).code, 1001)
})

t.test('a token is not selected as the subprotocol of a host\'s route', async (t) => {
  const { server, echo } = await hosted(t, {})
  t.equal((await echo(['bearer.token', 'own.v1'])).socket.protocol, 'own.v1')
  t.equal((await echo(['own.v1', 'ws-manager.v1'])).socket.protocol, 'ws-manager.v1')
  const raw = await RawClient.to(t, server)
  raw.upgrade('/echo', { 'sec-websocket-protocol': 'bearer.token' })
  t.notMatch((await raw.response()).head, /sec-websocket-protocol/i)
  const client = await server.connect('alice', { token: null, protocols: [`bearer.${server.token('alice')}`, 'ws-manager.v1'] })
  t.equal(client.socket.protocol, 'ws-manager.v1')
})

t.test('a host\'s own choice of the subprotocol is kept', async (t) => {
  const { echo } = await hosted(t, { options: { handleProtocols: (offered) => [...offered].at(-1)! } })
  t.equal((await echo(['one', 'two'])).socket.protocol, 'two')
})

t.test('a host that registers second uses the plugin\'s @fastify/websocket', async (t) => {
  const server = await startApp(t, { limits: { maxPayloadBytes: 2_000 } }, { after: ownRoutes })
  const own = await new TestClient(`${server.origin.replace('http', 'ws')}/echo`).opened()
  own.send(framed(1_000))
  t.equal((await own.next('echo')).text.length, 1_000)
  own.send(framed(2_000))
  t.equal((await own.closed).code, 1009)
})

t.test('a host with a server of its own for sockets is supported', async (t) => {
  const own = createServer()
  const { server } = await hosted(t, { options: { server: own } })
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => own.close(resolve)))
  const { port } = own.address() as AddressInfo
  const client = await new TestClient(`ws://127.0.0.1:${port}/ws`, ['ws-manager.v1', `bearer.${server.token('alice')}`]).opened()
  await client.next('connection')
  t.match(await server.app.ws.sendToUser('alice', { type: 'app.hello' }), { localRecipients: 1 })
  await client.next('app.hello')
  await t.rejects(server.connect('alice'), { message: 'upgrade refused: 426' }, 'Fastify\'s own server opens none')
  await server.app.close()
  t.equal((await client.closed).code, 1001)
})

t.test('an invalid WebSocket upgrade is refused, and leaves nothing that delays the close', async (t) => {
  const server = await startApp(t)
  const authorization = `Bearer ${server.token('alice')}`
  const faults: Array<[fault: Record<string, string>, status: number]> = [
    [{ upgrade: 'h2c' }, 400], [{ 'sec-websocket-key': 'short' }, 400], [{ 'sec-websocket-version': '12' }, 426], [{ 'sec-websocket-protocol': 'a,,b' }, 400]
  ]
  for (const [fault, status] of faults) {
    const client = await RawClient.to(t, server)
    client.upgrade('/ws', { authorization, ...fault })
    t.equal((await client.response()).status, status, JSON.stringify(fault))
    await client.ended
  }
  t.equal(server.app.ws.getConnectionCount(), 0)
  await server.app.close()
})
