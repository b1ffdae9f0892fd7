import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { amount, figure, isLong } from '../fixtures/attacks.js'
import { root } from '../fixtures/root.js'

interface Attempt { place: string, kind: string, manner: string, code: string, outcome: string | number, uncaught: number }

/** What a client gets where the app's code in that place only listens: nothing of what it throws. */
const untouched: Readonly<Record<string, string | number>> = {
  client_connected: 'opened',
  client_disconnected: 'opened',
  user_joined: 'opened',
  identity_changed: 'reply',
  message_received: 'reply',
  message_failed: 'unknown_type',
  confirmation_settled: 'expired',
  task_cancelled: 'cancelled',
  'a handler that has answered': 'reply',
  'a handler that has answered, by REST': 200,
  'an abort listener of a task': 'cancelled',
  'the failure of a task': 'failed',
  'the factory of the engine': 'object'
}
/** Handlers, and what they answer with, may say by an error of the catalogue what the client reads. */
const tells = /^a (handler|reply whose)/
const refused = /^(internal|unavailable|forbidden|unauthorized|WSM_ERR_(INTERNAL|UNAVAILABLE|FORBIDDEN|UNAUTHORIZED)|401|403|500|503|1011|1013|4401|4403)$/

t.test('no value thrown or returned by the app ends the process', { timeout: 1_800_000 }, async (t) => {
  const rounds = amount({ short: 1, long: 3 })
  // With tap's loader: this is the cover of what only such errors reach.
  const child = fork(join(root, 'test/fixtures/app-errors.mjs'), {
    env: { ...process.env, ROUNDS: String(rounds), EVERY: isLong ? '1' : '11' }, stdio: ['ignore', 'pipe', 'inherit', 'ipc']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [output, [code]] = await Promise.all([child.stdout!.toArray(), once(child, 'exit')])
  t.equal(code, 0)
  const { results, lines } = JSON.parse(Buffer.concat(output).toString()) as { results: Attempt[], lines: number }
  const failed = results.filter((attempt) => attempt.uncaught > 0 || !isAsExpected(attempt))
  t.same(failed.map(({ place, kind, manner, outcome, uncaught }) => `${place} ${manner} ${kind}: ${outcome}, ${uncaught} uncaught`), [])
  t.ok(lines > results.length / 2, 'and the log says so')
  const [places, kinds] = (['place', 'kind'] as const).map((field) => new Set(results.map((attempt) => attempt[field])).size)
  figure(t, 'app-errors', `${kinds} kinds of thrown values in ${places} places, ${results.length} attempts: ${results.reduce((sum, { uncaught }) => sum + uncaught, 0)} uncaught, ` +
    `${failed.length} answered in another way than they should`)
})

function isAsExpected ({ place, code, outcome }: Attempt): boolean {
  if (place in untouched) return outcome === untouched[place]
  if (place.startsWith('an abort listener')) return outcome === 'gone'
  if (tells.test(place)) return outcome === (place.endsWith('by REST') ? `WSM_ERR_${code.toUpperCase()}` : code)
  return refused.test(String(outcome))
}
