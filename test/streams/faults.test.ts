import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { faultRun, FLOOD_BYTES, SERVER_OPTIONS, type FaultRunOptions } from '../fixtures/fault-run.js'

/** `npm run test:streams` sets them: how many times longer than here, and another seed. */
const LENGTH = Number(process.env.STREAMS_LENGTH ?? 1)
const SEED = Number(process.env.STREAMS_SEED ?? 1)

t.setTimeout(300_000 * LENGTH)

/** More than any of the clients misses. */
const ENOUGH = { size: 100_000, maxBytes: 1_000_000_000 }

async function run (t: Test, options: WsPluginOptions, given: Pick<FaultRunOptions, 'steps'> & Partial<FaultRunOptions>) {
  const server = await startApp(t, { ...SERVER_OPTIONS, ...options }, { fastify: { logger: false } })
  const report = await faultRun({
    seed: SEED, origins: [server.origin], token: (user, claims) => server.token(user, claims), clients: 32, ...given, steps: given.steps * LENGTH
  })
  const { examples, ...figures } = report
  t.comment(`seed ${SEED}: ${JSON.stringify(figures)}`)
  for (const example of examples) t.comment(example)
  return report
}

/** What holds in every run. */
const NOTHING_WRONG = { uncertain: 0, duplicated: 0, repeated: 0, reordered: 0, falselyRecovered: 0, strays: 0, falselyAcked: 0 }

t.test('clients dropped in any way receive everything in order and without duplicates', async (t) => {
  const { drops, dropsInRecovery, floods, status, ...report } = await run(t, { history: ENOUGH }, { steps: 14, floodBytes: FLOOD_BYTES })
  t.match(report, { ...NOTHING_WRONG, lost: 0, silentlyLost: 0 })
  t.ok(drops > 250 * LENGTH && report.delivered > 5_000 * LENGTH, 'enough has happened')
  t.ok(dropsInRecovery > 0, 'some while pages of the history were still to come')
  t.ok(floods > 0 && Number(status.slow_disconnects) > 0, 'sockets that did not read were cut')
})

t.test('clients that do not read miss only messages that are reported as dropped', async (t) => {
  const { status, ...report } = await run(t, { history: ENOUGH, slowConsumer: 'drop' }, { steps: 6, floodBytes: FLOOD_BYTES })
  t.match(report, { ...NOTHING_WRONG, silentlyLost: 0 })
  t.ok(Number(status.messages_dropped) > 0 && report.announced > 0, 'messages were left out')
})

t.test('messages that a short history has not kept are announced as missed', async (t) => {
  const report = await run(t, { history: { size: 4 } }, { steps: 6 })
  t.match(report, { ...NOTHING_WRONG, silentlyLost: 0 })
  t.ok(report.announced > 0, 'messages were lost')
})

t.test('without a history the same clients lose messages, and the checker detects it', async (t) => {
  const report = await run(t, { history: { enabled: false } }, { steps: 6 })
  t.match(report, { ...NOTHING_WRONG, announced: 0 })
  t.ok(report.silentlyLost > 100, 'with the same eyes')
})
