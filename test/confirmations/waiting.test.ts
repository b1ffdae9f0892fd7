import { getEventListeners } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import type { Ending, Endings } from '../../lib/confirmations/endings.js'
import { Waits, type Wait } from '../../lib/confirmations/waits.js'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import type { ConfirmationRecord } from '../../schemas/records.js'
import { question } from '../fixtures/engine-suite.js'
import { startApp } from '../fixtures/app.js'
import { FakeClock } from '../fixtures/fake-clock.js'
import { memoryOptions } from '../fixtures/memory.js'
import { askStored } from '../fixtures/questions.js'
import { nodeOn } from '../fixtures/node.js'

t.test('code that did not ask can wait for the end of a question, any number of times', async (t) => {
  const server = await startApp(t)
  const { confirmations } = server.app.ws
  const { end, id } = await askStored(server, 'alice')
  const waits = [confirmations.wait(id), confirmations.wait(id)]
  await server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true, feedback: 'yes' } })
  const expected = await end
  t.match(expected, { outcome: 'confirmed', feedback: 'yes' })
  for (const wait of waits) t.strictSame(await wait, expected)
  t.strictSame(await confirmations.wait(id), expected, 'also when it has ended')
})

t.test('a wait that is given up rejects with the signal\'s reason and touches neither the question nor other waits', async (t) => {
  const server = await startApp(t)
  const { confirmations } = server.app.ws
  const { end, id } = await askStored(server, 'alice')
  const stop = new AbortController()
  const given = confirmations.wait(id, { signal: stop.signal })
  const kept = confirmations.wait(id)
  stop.abort(new Error('had enough'))
  await t.rejects(given, { message: 'had enough' })
  await t.rejects(confirmations.wait(id, { signal: stop.signal }), { message: 'had enough' }, 'also when it was given up before')
  t.match(await confirmations.get(id), { status: 'pending' })
  await confirmations.cancel(id)
  t.match(await kept, { outcome: 'cancelled' })
  t.match(await end, { outcome: 'cancelled' })
  t.equal(getEventListeners(stop.signal, 'abort').length, 0)
})

t.test('waiting for a question that does not exist rejects with not_found', async (t) => {
  const server = await startApp(t)
  await t.rejects(server.app.ws.confirmations.wait('nothing'), { code: 'WSM_ERR_NOT_FOUND' })
})

t.test('waiting for a question that does not exist leaves no timer behind when the server closes', async (t) => {
  const engine = new MemoryEngine(memoryOptions())
  const clock = new FakeClock(t)
  const { node: { confirmations } } = nodeOn(engine)
  const { timerCount } = clock
  await t.rejects(confirmations.wait('a'), { code: 'WSM_ERR_NOT_FOUND' })
  await confirmations.close()
  t.equal(clock.timerCount, timerCount)
  await engine.close()
})

t.test('a wait for a question resolves as closed when the server closes', async (t) => {
  const server = await startApp(t)
  const { id } = await askStored(server, 'alice')
  const wait = server.app.ws.confirmations.wait(id)
  await server.app.close()
  t.match(await wait, { outcome: 'closed', proceed: false })
})

t.test('waits settle with their own question only, and a wait that is over is forgotten', async (t) => {
  const waits = new Waits({} as Endings)
  const [a, b] = [question(), question()]
  const [first, second, left, other] = [a, a, a, b].map(({ callback_id: id }) => waits.begin(id)) as [Wait, Wait, Wait, Wait]
  t.equal(waits.size, 2)
  left.stop()
  t.equal(waits.size, 2, 'two of three still wait')
  waits.settled(a)
  waits.settled(question())
  t.strictSame(await Promise.all([first.promise, second.promise]), [a, a])
  t.equal(waits.size, 1, 'only the other question is waited for')
  const later = waits.begin(a.callback_id)
  for (const over of [first, second, left]) over.stop()
  t.equal(waits.size, 2, 'stopping a wait that is over does not end a later one')
  later.stop()
  other.stop()
  t.equal(waits.size, 0)
})

t.test('a failed wait that nobody awaits causes no unhandled rejection', async (t) => {
  const unhandled: unknown[] = []
  const listener = (reason: unknown) => { unhandled.push(reason) }
  process.on('unhandledRejection', listener)
  t.teardown(() => { process.removeListener('unhandledRejection', listener) })
  const wait = new Waits({} as Endings).begin('a')
  wait.fail(new Error('gone'))
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(unhandled, [])
})

/** The attempts to end a question, with what the test lets each come to. */
class Attempts {
  readonly outcomes: string[] = []
  readonly #endings: (Ending | Promise<Ending>)[]

  constructor (...endings: (Ending | Promise<Ending>)[]) {
    this.#endings = endings
  }

  async end (_callbackId: string, outcome: string): Promise<Ending> {
    this.outcomes.push(outcome)
    return this.#endings.shift()!
  }

  begin (record: ConfirmationRecord): Wait {
    return new Waits(this as unknown as Endings).begin(record.callback_id)
  }
}

const ended = (record: ConfirmationRecord): ConfirmationRecord => ({ ...record, status: 'expired', proceed: true })

t.test('a question that is too early to expire is ended when its time is over', async (t) => {
  for (const isStrict of [false, true]) {
    const record = question()
    const attempts = new Attempts({ record, leftMs: 20 }, { record, leftMs: 1 }, { record: ended(record), leftMs: 0 })
    const wait = attempts.begin(record)
    wait.stored(record)
    wait.expireIn(1, true, isStrict)
    t.match(await wait.promise, { status: 'expired' })
    t.strictSame(attempts.outcomes, ['expired', 'expired', 'expired'])
  }
})

t.test('where the store says that time is left, the asking code\'s wait is interrupted in time and another wait goes on', async (t) => {
  for (const isStrict of [false, true]) {
    const record = question()
    const wait = new Attempts({ record, leftMs: 60_000 }).begin(record)
    wait.stored(record)
    const from = performance.now()
    wait.expireIn(1, true, isStrict)
    const error = await Promise.race([wait.promise.catch((error) => error), setTimeout(700, null)])
    if (isStrict) {
      t.match(error, { code: 'WSM_ERR_WAIT_INTERRUPTED', statusCode: 503, message: new RegExp(record.callback_id), details: { callback_id: record.callback_id } })
      t.ok(performance.now() - from < 700)
    } else t.equal(error, null)
    wait.stop()
  }
})

t.test('a wait is interrupted in time where the store does not answer, and at once where the store fails', async (t) => {
  const record = question()
  const silent = new Promise<Ending>(() => {})
  for (const ending of [silent, 'failed'] as const) {
    const wait = new Attempts(ending).begin(record)
    t.equal(wait.stored(record), true)
    const from = performance.now()
    wait.end('aborted', false)
    t.equal(wait.stored(record), true)
    await t.rejects(wait.promise, { code: 'WSM_ERR_WAIT_INTERRUPTED' })
    const tookMs = performance.now() - from
    t.ok(ending === 'failed' ? tookMs < 300 : tookMs >= 399, String(tookMs))
    t.equal(await wait.end('aborted', false), 0, 'it is over')
  }
})

t.test('a question whose storing takes too long is ended when it is stored', async (t) => {
  const record = question()
  const attempts = new Attempts({ record: ended(record), leftMs: 0 })
  const wait = attempts.begin(record)
  wait.end('aborted', false)
  wait.end('expired', false)
  await t.rejects(wait.promise, { code: 'WSM_ERR_WAIT_INTERRUPTED' })
  t.strictSame(attempts.outcomes, [])
  t.equal(wait.stored(record), false, 'nobody is asked')
  t.strictSame(attempts.outcomes, ['aborted'])
})
