import { once } from 'node:events'
import { connect, type ClientHttp2Session } from 'node:http2'
import t from 'tap'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure } from '../fixtures/attacks.js'
import { selfSigned } from '../fixtures/certificate.js'
import { RawClient } from '../fixtures/raw-client.js'

const REQUESTS = amount({ short: 500, long: 40_000 })
/** Before it is measured: code is compiled, and buffers are made. */
const WARM_UP = amount({ short: 200, long: 500 })
const UPGRADES = amount({ short: 14, long: 2_000 })
/** What a request may leave behind; 1.8 KB each were kept once. */
const MOST_LEFT_BYTES = amount({ short: 1_000, long: 60 })

async function ask (session: ClientHttp2Session, path: string): Promise<number> {
  const stream = session.request({ ':path': path }).resume()
  const [headers] = await once(stream, 'response')
  if (!stream.closed) await once(stream, 'close')
  return headers[':status']
}

t.test('HTTP/2 requests leave nothing behind, and none ends the process', { timeout: 300_000 }, async (t) => {
  const server = await AttackedServer.start(t, {}, { http2: true, https: { ...selfSigned(), allowHTTP1: true } })
  const session = connect(server.origin, { rejectUnauthorized: false })
  t.teardown(() => session.destroy())
  const paths = ['/ws', '/ws/health', '/ws/status', '/nowhere', '/ws?ticket=x']
  const statuses = new Map<number, number>()
  const flood = async (count: number) => {
    for (let n = 0; n < count; n += 50) {
      for (const status of await Promise.all(Array.from({ length: 50 }, (_, i) => ask(session, paths[i % paths.length]!)))) statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  await flood(WARM_UP)
  const before = (await server.ask('memory')).heldBytes
  await flood(REQUESTS)
  const left = ((await server.ask('memory')).heldBytes - before) / REQUESTS
  t.ok(left <= MOST_LEFT_BYTES, `${left.toFixed(0)} bytes of each`)
  t.same([...statuses.keys()].sort(), [200, 401, 404, 426])
  t.same((await server.ask('report')).uncaught, [])
  figure(t, 'http2', `${REQUESTS} requests on one session, two fifths of them for the socket's route: ${left.toFixed(0)} bytes of each are left, no uncaught exception`)
})

t.test('a page of another origin gets no socket on a route that is not a socket route', async (t) => {
  const server = await AttackedServer.start(t)
  const paths = ['/ws/health', '/ws/ready', '/ws/confirmations', '/ws/clients', '/ws/nothing', '/ws/', '/nowhere']
  const statuses = new Map<number, number>()
  for (let n = 0; n < UPGRADES; n++) {
    const client = await RawClient.to(t, server)
    client.upgrade(paths[n % paths.length]!, { origin: 'https://evil.example', authorization: `Bearer ${server.token('mallory')}` })
    const { status } = await client.response()
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    client.reset()
  }
  t.notOk(statuses.has(101))
  t.same([...statuses.keys()].sort(), [403, 404])
  const { status, uncaught } = await server.ask('report')
  t.equal(status.rejected.origin, statuses.get(403))
  t.same(uncaught, [])
  figure(t, 'plain upgrades', `${UPGRADES} upgrades of ${paths.length} paths from a foreign origin: ${statuses.get(101) ?? 0} × 101, ${statuses.get(403)} × 403 (all counted), ${statuses.get(404)} × 404`)
})
