import t from 'tap'
import { amount, figure } from '../fixtures/attacks.js'
import { startStalling, storm } from '../fixtures/reset-storm.js'
import { forge } from '../fixtures/tokens.js'

const ROUNDS = amount({ short: 400, long: 10_000 })

t.test('a reset during any step of an upgrade or authentication affects only its own socket', { timeout: 600_000 }, async (t) => {
  const seed = Date.now()
  t.comment(`seed ${seed}, ${ROUNDS} rounds`)
  const failures: unknown[] = []
  const note = (error: unknown) => { failures.push(error) }
  process.on('uncaughtException', note).on('unhandledRejection', note)
  t.teardown(() => process.off('uncaughtException', note).off('unhandledRejection', note))
  const server = await startStalling(t, seed)
  await storm(t, server, ROUNDS, seed)
  t.same(failures, [])
  t.match(server.app.ws.getStatus(), { active_connections: 0, users: 0, channels: 0, pending_callbacks: 0 })
  t.same(server.logs.filter(({ level }) => level >= 50), [], 'the log has no error')
  const client = await server.connect('carol', { token: forge({ sub: 'carol' }) })
  t.match(await client.request({ type: 'ping' }), { type: 'reply' }, 'and the server goes on')
  figure(t, 'resets', `${ROUNDS} resets: alive, ${failures.length} uncaught, no socket and no entry left`)
})
