import fastifyJwt from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { EngineFactory } from '../../lib/engine/engine.js'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { SECRET, startApp } from '../fixtures/app.js'
import { memoryOptions } from '../fixtures/memory.js'
import { refusal } from '../fixtures/refusal.js'
import { forge } from '../fixtures/tokens.js'

/** An engine whose nodes share another time than this machine's. */
function engineAt (offsetMs: number): EngineFactory {
  const clock = { now: () => Date.now() - offsetMs, offsetMs }
  return async (context) => Object.assign(new MemoryEngine(memoryOptions(context)), { clock })
}

const elsewhere = async (app: FastifyInstance) => {
  await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'], extractToken: (request) => request.headers['x-token'] as string } })
}
const fromSecret = async (app: FastifyInstance) => {
  await app.register(fastifyJwt, { secret: async () => SECRET, verify: { algorithms: ['HS256'] } })
}

for (const offsetMs of [-300_000, 300_000]) {
  const seconds = (later: number) => Math.floor((Date.now() - offsetMs) / 1_000) + later
  const about = (moment: number) => Math.abs(Date.now() - offsetMs - moment) < 5_000
  const name = `${Math.abs(offsetMs) / 1_000} s ${offsetMs < 0 ? 'behind' : 'ahead'}`

  for (const [where, before] of [['header', undefined], ['host\'s own place', elsewhere], ['header, with a key from a function', fromSecret]] as const) {
    t.test(`a clock ${name}: tokens in the ${where} are valid from nbf to exp`, async (t) => {
      const server = await startApp(t, { engine: engineAt(offsetMs), auth: { firstFrame: true } }, { before })
      const good = { nbf: seconds(-2), exp: seconds(100) }
      const client = await server.connect('', { token: forge({ sub: 'alice', ...good }) })
      t.match(await client.request({ type: 'auth', token: forge({ sub: 'bob', ...good }) }), { data: { user_id: 'bob' } })
      for (const wrong of [{ exp: seconds(-2) }, { nbf: seconds(100), exp: seconds(200) }]) {
        const token = forge({ sub: 'alice', ...wrong })
        t.match(await refusal(server.dial('', { token })), { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
        t.match(await client.request({ type: 'auth', token }), { code: 'unauthorized' })
      }
    })
  }

  t.test(`a clock ${name}: a user returned by the app's hook is valid until it expires`, async (t) => {
    let expiresAt = 0
    const server = await startApp(t, { engine: engineAt(offsetMs), authenticate: async () => ({ id: 'alice', expiresAt }) }, { before: elsewhere })
    expiresAt = seconds(-2) * 1_000
    t.match(await refusal(server.dial('', { token: null })), { statusCode: 401 })
    expiresAt = seconds(100) * 1_000
    await server.connect('', { token: null })
  })

  t.test(`a clock ${name}: a revocation ends a user's tokens of a minute ago, and not later ones`, async (t) => {
    const server = await startApp(t, { engine: engineAt(offsetMs) })
    const token = (later: number) => forge({ sub: 'alice', iat: seconds(later), exp: seconds(1_000) })
    const old = token(-60)
    const client = await server.connect('', { token: old })
    t.match(await server.app.ws.revoke({ userId: 'alice' }), { closed: 1, complete: true })
    t.match(await client.closed, { code: 4401 })
    t.match(await refusal(server.dial('', { token: old })), { statusCode: 401 })
    await server.connect('', { token: token(1) })
  })

  t.test(`a clock ${name}: times are those of the shared clock, and the operator is told`, async (t) => {
    const server = await startApp(t, { engine: engineAt(offsetMs) })
    const { ws } = server.app
    const client = await server.connect('', { token: forge({ sub: 'alice', exp: seconds(1_000) }) })
    const { data } = await client.request({ type: 'ping' })
    const { task } = await ws.tasks.start({ userId: 'alice', taskId: 'one' })
    await ws.tasks.log('one', 'begun')
    await ws.tasks.done('one')
    const ended = ws.tasks.get('one')!
    ws.startHeartbeat({ userId: 'alice', taskId: 'two', intervalMs: 60_000 })
    const { timestamp } = await client.next('heartbeat')
    const { clients: [record] } = await ws.nodes.clients({ limit: 1 })
    for (const moment of [data.server_time, task.started_at, ended.finished_at, ended.logs[0]!.timestamp, timestamp, record!.connected_at]) {
      t.ok(about(moment as number), `${moment}`)
    }
    t.equal(ws.getStatus().clock_offset_ms, offsetMs)
    const headers = { authorization: `Bearer ${forge({ sub: 'admin', roles: ['ws:admin'], exp: seconds(1_000) })}` }
    t.match(await server.rest('GET', '/ws/status', { as: null, headers }), { status: 200, body: { clock_offset_ms: offsetMs } })
    t.strictSame((await server.rest('GET', '/ws/ready', { as: null })).body, { status: 'ready', reasons: [], clock_offset_ms: offsetMs })
  })
}

t.test('a clock that is off by at most a second is not reported', async (t) => {
  const server = await startApp(t, { engine: engineAt(1_000) })
  t.equal(server.app.ws.getStatus().clock_offset_ms, 1_000)
  t.strictSame((await server.rest('GET', '/ws/ready', { as: null })).body, { status: 'ready', reasons: [] })
})
