import t from 'tap'
import { startBrowser } from '../fixtures/browser.js'
import { DEVICE_FAULTS } from '../fixtures/browser-device.js'
import { browserRun, type BrowserRunOptions } from '../fixtures/browser-run.js'

/** `npm run test:client` sets them; without, it is a short form. */
const { CLIENT_ROUNDS, CLIENT_SEED = '1' } = process.env

const RUN: BrowserRunOptions = CLIENT_ROUNDS === undefined
  ? {
      seed: Number(CLIENT_SEED),
      rounds: 1,
      ends: ['terminate', 'kill'],
      faults: { single: ['refusal', 'reload', 'half a frame'], shared: ['cut', 'new tab', 'freeze'] }
    }
  : {
      seed: Number(CLIENT_SEED),
      rounds: Number(CLIENT_ROUNDS),
      ends: ['terminate', 'terminate', 'kill', 'kill'],
      faults: { single: DEVICE_FAULTS, shared: DEVICE_FAULTS }
    }

t.setTimeout(120_000 * RUN.rounds)

t.test('tabs that are cut, reloaded, closed and suspended while nodes restart miss nothing that is not announced, and get nothing twice or out of order', async (t) => {
  const { report: { examples, ...report }, control: { examples: _, ...control }, faults } = await browserRun(t, await startBrowser(t), RUN)
  t.comment(`seed ${RUN.seed}: ${JSON.stringify(report)}`)
  t.comment(`faults: ${JSON.stringify(faults)}`)
  for (const example of examples) t.comment(example)
  t.match(report, { silentlyLost: 0, duplicated: 0, repeated: 0, reordered: 0, strays: 0, falseGaps: 0, doubled: 0, notInState: 0, abandoned: 0, wronglyAcked: 0 })
  t.ok(report.delivered > 0 && report.reloads >= RUN.rounds)
  for (const fault of [...RUN.faults.single, ...RUN.faults.shared, ...RUN.ends]) t.ok(faults[fault]! >= RUN.rounds, fault)
  t.comment(`control: ${JSON.stringify(control)}`)
  t.ok(control.silentlyLost > 0, 'a client that does not recover, and does not say so, loses messages, and the same eyes see it')
})
