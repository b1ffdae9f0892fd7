import dns from 'node:dns'
import { setTimeout } from 'node:timers/promises'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { otherServersOf } from '../../lib/http/servers.js'
import { TestApp, startApp, type AppOptions } from '../fixtures/app.js'
import { selfSigned } from '../fixtures/certificate.js'
import { Gate } from '../fixtures/gate.js'
import { RawClient } from '../fixtures/raw-client.js'

const ADDRESSES = [{ address: '127.0.0.1', family: 4 }, { address: '127.0.0.2', family: 4 }]

/** The same app, as it is reached at its second address. */
class SecondAddress extends TestApp {
  override get origin (): string {
    const { protocol, port } = new URL(super.origin)
    return `${protocol}//127.0.0.2:${port}`
  }
}

/** An app that listens on `localhost`, which has two addresses: Fastify makes a server of its own for the second. */
async function start (t: Test, options: WsPluginOptions = {}, app: AppOptions = {}): Promise<{ server: TestApp, second: TestApp }> {
  t.intercept(dns, 'lookup', {
    // Fastify asks for all addresses, and Node for one whenever it listens.
    value: (host: string, options: object, done = options as (...found: unknown[]) => void) => {
      process.nextTick(() => 'all' in options ? done(null, ADDRESSES) : done(null, host === 'localhost' ? '127.0.0.1' : host, 4))
    }
  })
  const server = await startApp(t, { closeTimeoutMs: 50, ...options }, { ...app, host: 'localhost' })
  t.same((server.app.addresses() as AddressInfo[]).map(({ address }) => address).sort(), ['127.0.0.1', '127.0.0.2'])
  const second = new SecondAddress(server.app, server.logs, app.fastify?.http2 === true)
  t.teardown(() => second.hangUp())
  return { server, second }
}

t.test('sockets and REST work the same at both addresses of localhost', async (t) => {
  const { server, second } = await start(t, { limits: { connectionsPerIpPerMinute: 4 } }, { fastify: { requestIdHeader: 'x-request-id' } })
  const [alice, bob] = [await server.connect('alice'), await second.connect('bob')]
  await server.app.ws.broadcast({ type: 'app.news' })
  for (const client of [alice, bob]) await client.next('app.news')
  t.match(await second.rest('GET', '/ws/status'), { status: 200, body: { active_connections: 2 } })
  t.equal((await second.rest('GET', '/ws/health?ticket=sesame', { headers: { 'x-request-id': 'mine' } })).status, 200)
  t.notMatch(JSON.stringify(server.logs), /sesame/, 'a secret in a URL is logged at neither')
  const plain = await RawClient.to(t, second)
  plain.upgrade('/ws/health')
  t.equal((await plain.response()).status, 404)
  const last = await RawClient.to(t, second)
  last.upgrade('/ws')
  t.equal((await last.response()).status, 401)
  const tooMany = await RawClient.to(t, second)
  tooMany.upgrade('/ws')
  t.equal((await tooMany.response()).status, 429, 'and counted together')
  await server.app.close()
  for (const client of [alice, bob]) t.equal((await client.closed).code, 1001)
})

for (const [kind, fastify] of [['http', {}], ['https', { https: selfSigned() }], ['http2', { http2: true, https: { ...selfSigned(), allowHTTP1: true } }]] as Array<[string, FastifyServerOptions & { http2?: boolean }]>) {
  t.test(`${kind}: nothing that a client has not finished is left at the second address when the app has closed`, async (t) => {
    const [gate, hanging] = [new Gate(), new Gate()]
    const { server, second } = await start(t, {}, {
      fastify,
      before: (app) => { app.addHook('onRequest', async (request) => { if (request.url === '/ws?hangs') await hanging.wait() }) },
      after: (app) => {
        app.get('/slow', async () => {
          await gate.wait()
          return { all: 'of it' }
        })
      }
    })
    const authorization = `Bearer ${server.token('admin', { roles: ['ws:admin'] })}`
    const beginnings = ['', 'GET /w', `POST /ws/broadcast HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`]
    const clients = await Promise.all(beginnings.map(async (text) => {
      const client = await RawClient.to(t, second)
      client.socket.write(text)
      return client
    }))
    const hung = await RawClient.to(t, second)
    hung.upgrade('/ws?hangs', { authorization })
    const slow = second.rest('GET', '/slow')
    await Promise.all([gate.reached, hanging.reached])
    const closed = server.app.close()
    for (const { ended } of [...clients, hung]) await ended
    gate.open()
    hanging.open()
    t.match(await slow, { status: 200, body: { all: 'of it' } }, 'what the app is answering is not cut')
    await closed
    // The servers of other addresses close behind the first one.
    for (const other of otherServersOf(server.app)) {
      while (await new Promise<number>((resolve) => { other.getConnections((_error, count) => resolve(count)) }) > 0) await setTimeout(10)
    }
  })
}

t.test('an app that listens on one address has no other servers', async (t) => {
  const server = await startApp(t)
  t.same(otherServersOf(server.app), [])
  t.same(otherServersOf({} as FastifyInstance), [], 'nor has what is no app')
})
