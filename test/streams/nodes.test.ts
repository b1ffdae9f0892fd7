import t from 'tap'
import { redis } from '../../lib/engine/redis/redis.js'
import { startApp } from '../fixtures/app.js'
import { faultRun, FLOOD_BYTES, SERVER_OPTIONS } from '../fixtures/fault-run.js'
import { RedisServer } from '../fixtures/redis.js'

t.setTimeout(300_000)

t.test('clients that reconnect to another node receive everything in order and without duplicates', async (t) => {
  const { port } = await RedisServer.start(t)
  const nodes = await Promise.all(['one', 'two'].map(() => startApp(t, {
    ...SERVER_OPTIONS, engine: redis({ host: '127.0.0.1', port }), history: { size: 100_000 }
  }, { fastify: { logger: false } })))
  const { examples, ...report } = await faultRun({
    seed: 1, origins: nodes.map(({ origin }) => origin), token: (user, claims) => nodes[0]!.token(user, claims), clients: 32, steps: 8, floodBytes: FLOOD_BYTES
  })
  t.comment(JSON.stringify(report))
  for (const example of examples) t.comment(example)
  t.match(report, { uncertain: 0, lost: 0, silentlyLost: 0, duplicated: 0, repeated: 0, reordered: 0, falselyRecovered: 0, strays: 0, falselyAcked: 0 })
  t.ok(report.drops > 100 && report.delivered > 3_000, 'enough has happened')
})
