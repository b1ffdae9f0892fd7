import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { TestClient } from '../fixtures/client.js'
import { startNginx } from '../fixtures/nginx.js'
import { startExample } from '../fixtures/process.js'
import { forge } from '../fixtures/tokens.js'

const JWT_SECRET = 'the secret of the node behind nginx here'

/** What says on whose behalf a proxy asks, by any convention; a client has no say in it. */
const forged = {
  forwarded: 'for=203.0.113.9;host=evil.example;proto=https',
  'x-forwarded-for': '203.0.113.9',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-port': '443',
  'x-forwarded-prefix': '/evil',
  'x-forwarded-proto': 'https',
  'x-forwarded-server': 'evil.example',
  'x-real-ip': '203.0.113.9'
}

t.test('nginx replaces the forwarded headers that a client sends', async (t) => {
  let received: IncomingHttpHeaders = {}
  const node = createServer((request, response) => {
    received = request.headers
    response.end()
  }).listen(0, '127.0.0.1')
  await once(node, 'listening')
  t.teardown(() => { node.close() })
  const origin = await startNginx(t, { nodes: [`http://127.0.0.1:${(node.address() as AddressInfo).port}`] })
  const { host } = new URL(origin)
  for (const path of ['/', '/ws']) {
    await (await fetch(origin + path, { headers: forged })).arrayBuffer()
    const told = Object.fromEntries(Object.keys(forged).filter((name) => name in received).map((name) => [name, received[name]]))
    t.strictSame(told, { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': host, 'x-forwarded-proto': 'http' }, path)
    t.equal(received.host, host)
  }
})

t.test('a page of another site cannot open a socket by forging forwarded headers', async (t) => {
  const { origin: node } = await startExample(t, { JWT_SECRET, TRUST_PROXY: 'loopback' })
  const origin = await startNginx(t, { nodes: [node] })
  const protocols = ['ws-manager.v1', `bearer.${forge({ sub: 'alice' }, { secret: JWT_SECRET })}`]
  const dial = (at: string, headers: Record<string, string>) => new TestClient(`${at.replace('http', 'ws')}/ws`, protocols, { headers }).opened()
  const evil = { origin: 'https://evil.example', ...forged }
  // The node itself believes its proxies, as it was told to.
  await (await dial(node, evil)).close()
  await t.rejects(dial(origin, evil), { message: 'upgrade refused: 403' })
  await t.rejects(dial(origin, { ...forged, origin: 'http://evil.example' }), { message: 'upgrade refused: 403' })
  await (await dial(origin, { ...forged, origin })).close()
})
