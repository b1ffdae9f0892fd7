import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { RedisEngineOptions } from '../../lib/engine/redis/options.js'
import { redis } from '../../lib/engine/redis/redis.js'
import { startApp } from '../fixtures/app.js'
import type { Frame } from '../fixtures/client.js'
import { RedisServer } from '../fixtures/redis.js'
import { until } from '../fixtures/until.js'

/** An app on a server of its own. */
async function start (t: Test, options: Partial<RedisEngineOptions> = {}) {
  const server = await RedisServer.start(t, { config: ['--enable-protected-configs', 'yes'] })
  const app = await startApp(t, { engine: redis({ host: '127.0.0.1', port: server.port }, { prefix: randomUUID(), ...options }) })
  const changes: Frame[] = []
  app.app.ws.on('readiness_changed', (change) => changes.push(change as never))
  return { server, app, changes, ready: () => app.rest('GET', '/ws/ready', { as: null }) }
}

const READY = { status: 200, body: { status: 'ready', reasons: [] } }
const REFUSED = { status: 200, body: { status: 'degraded', reasons: ['writes_refused'] } }

t.test('a node is degraded, and its clients are told, while Redis is full', async (t) => {
  const { server, app, changes, ready } = await start(t)
  const alice = await app.connect('alice')
  t.match(await ready(), READY)
  // A script that has deleted something may go on writing: the stream must have begun.
  await app.app.ws.broadcast({ type: 'x.y' })
  await alice.next('x.y')
  await server.admin.config('SET', 'maxmemory', '1')
  const from = performance.now()
  t.match(await app.rest('POST', '/ws/broadcast', { body: { message: { type: 'x.y' } } }), { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
  t.match(await alice.next('availability'), { available: true, degraded: true, reasons: ['writes_refused'] })
  t.ok(performance.now() - from < 1_500, 'a refused publication is noticed at once')
  t.match(await ready(), REFUSED)
  const bob = await app.connect('bob')
  t.match(await bob.next('availability'), { available: true, degraded: true, reasons: ['writes_refused'] }, 'a new socket is told, too')
  await server.admin.config('SET', 'maxmemory', '0')
  t.match(await alice.next('availability'), { available: true, degraded: false, reasons: [] })
  t.match(await ready(), READY)
  await app.app.ws.broadcast({ type: 'x.y' })
  await alice.next('x.y')
  t.match(changes, [
    { ready: true, status: 'degraded', reasons: ['writes_refused'] },
    { ready: true, status: 'ready', reasons: [] }
  ])
  t.ok(app.logs.some(({ msg }) => /^Redis is partly unavailable: it refuses writes because it has reached its maxmemory/.test(msg)))
  t.equal(app.logs.filter(({ msg }) => msg.startsWith('Redis is partly unavailable')).length, 1, 'it is logged once')
})
t.test('an idle node notices that Redis refuses writes, and renews its lease when Redis accepts them again', async (t) => {
  const { server, app, ready } = await start(t, { leaseMs: 600 })
  const alice = await app.connect('alice')
  // As after a snapshot that could not be written.
  await server.admin.config('SET', 'save', '3600 1')
  await server.admin.config('SET', 'dir', '/proc')
  await server.admin.bgsave()
  t.match(await alice.next('availability'), { degraded: true })
  t.match(await ready(), REFUSED)
  await until(async () => (await app.rest('GET', '/ws/status')).status === 503)
  await server.admin.config('SET', 'stop-writes-on-bgsave-error', 'no')
  t.match(await alice.next('availability'), { degraded: false })
  await until(async () => (await app.rest('GET', '/ws/status')).status === 200)
})
