import t, { type Test } from 'tap'
import { CALL_RETENTION_MS, type CallStore, type KnownCall } from '../../lib/engine/engine.js'
import { MemoryCallStore } from '../../lib/engine/memory/calls.js'
import { AppError, errors } from '../../lib/index.js'
import { RememberedCalls } from '../../lib/protocol/remembered-calls.js'
import { MAX_OUTCOME_BYTES, RepeatableCalls, failureOf, type Begun, type Outcome } from '../../lib/protocol/repeatable-calls.js'
import { createLimits } from '../../lib/telemetry/limits.js'
import { timersOf } from '../fixtures/timers.js'

const TYPE = 'chat.send'
const unknown = { code: 'WSM_ERR_OUTCOME_UNKNOWN' }

/** The calls of a node on a store; its timers are counted. */
function callsOn (t: Test, store: CallStore = new MemoryCallStore(), maxRememberedBytesPerUser = 1e9) {
  const timers = timersOf(t)
  const remembered = new RememberedCalls({ maxRememberedBytes: 1e9, maxRememberedBytesPerUser }, createLimits().remembered_calls, CALL_RETENTION_MS)
  const calls = new RepeatableCalls(store, remembered)
  t.teardown(() => calls.close())
  const begin = (key: unknown = 'k', message: object = { n: 1 }, signal = new AbortController().signal) => calls.begin('alice', key, TYPE, message, { signal })
  return { calls, begin, timers }
}

/** A store that answers later, as one over a network. */
function late (store: CallStore): CallStore {
  return { begin: async (...call) => store.begin(...call), finish: (...end) => store.finish(...end) }
}

function recorderOf (begun: Begun | null) {
  if (begun === null || !('record' in begun)) throw new Error(`not to be run: ${JSON.stringify(begun)}`)
  return begun.record
}

function waitOf (begun: Begun) {
  if (!('wait' in begun)) throw new Error(`not running: ${JSON.stringify(begun)}`)
  return begun.wait()
}

for (const [name, wrap] of [['at once', (store: CallStore) => store], ['later', late]] as const) {
  t.test(`with a store that answers ${name} a call is run once, and repetitions get its outcome`, async (t) => {
    const { begin } = callsOn(t, wrap(new MemoryCallStore()))
    const record = recorderOf(await begin())
    const waits = [waitOf(await begin()), waitOf(await begin())]
    const other = { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path: '/idempotency_key' }] }
    await t.rejects(async () => begin('k', { n: 2 }), other)
    const outcome: Outcome = { json: '{"a":1}' }
    await record(outcome)
    await record({ json: '2' })
    for (const wait of waits) t.strictSame(await wait, { outcome })
    t.strictSame(await begin(), { outcome })
    await t.rejects(async () => begin('k', { n: 2 }), other)
  })
}

t.test('ids and the order of type and id do not tell calls apart; fields and users do', async (t) => {
  const { begin, calls } = callsOn(t)
  await recorderOf(await begin('k', { id: 1, type: TYPE, n: 1, m: 2 }))({ json: '1' })
  t.match(await begin('k', { type: TYPE, n: 1, id: 'x', m: 2 }), { outcome: { json: '1' } })
  t.match(await begin('k', { n: 1, m: 2 }), { outcome: { json: '1' } })
  t.throws(() => begin('k', { n: 1, m: 3 }), { code: 'WSM_ERR_INVALID_MESSAGE' })
  t.throws(() => calls.begin('alice', 'k', 'chat.other', { n: 1, m: 2 }, new AbortController()), { code: 'WSM_ERR_INVALID_MESSAGE' })
  recorderOf(await calls.begin('bob', 'k', 'chat.other', {}, new AbortController()))
})

t.test('a key that is no visible ASCII text of 1 to 128 characters is refused', (t) => {
  const { begin } = callsOn(t)
  for (const key of ['', 'a b', 'ü', 'a\n', 'x'.repeat(129), 7, null, {}, ['k']]) t.throws(() => begin(key), { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path: '/idempotency_key' }] }, String(key))
  for (const key of ['!', '~', 'x'.repeat(128)]) recorderOf(begin(key) as Begun)
  t.end()
})

t.test('a forgotten call is run by the next repetition', async (t) => {
  const { begin } = callsOn(t, late(new MemoryCallStore()))
  const record = recorderOf(await begin())
  const wait = waitOf(await begin())
  await record(null)
  await recorderOf(await wait)({ json: '2' })
  t.strictSame(await begin(), { outcome: { json: '2' } })
})

t.test('an outcome over 16 KiB is not kept: a repetition is not run, and its outcome is unknown', async (t) => {
  const { begin } = callsOn(t)
  const overhead = JSON.stringify({ json: '' }).length
  await recorderOf(await begin('fits'))({ json: 'x'.repeat(MAX_OUTCOME_BYTES - overhead) })
  t.match(await begin('fits'), { outcome: { json: /^x+$/ } })
  await recorderOf(await begin('large'))({ json: 'x'.repeat(MAX_OUTCOME_BYTES - overhead + 1) })
  t.throws(() => begin('large'), unknown)
  await recorderOf(await begin('bytes'))({ json: 'ü'.repeat(MAX_OUTCOME_BYTES / 2) })
  t.throws(() => begin('bytes'), unknown)
})

t.test('a call over the user\'s bound is forgotten at once, and its repetition is refused in the same way', async (t) => {
  const { begin } = callsOn(t, late(new MemoryCallStore()), 1_024)
  const record = recorderOf(await begin('a'))
  for (let n = 0; n < 2; n++) await t.rejects(begin('b') as Promise<Begun>, { code: 'WSM_ERR_RATE_LIMITED' })
  await record(null)
  recorderOf(await begin('b'))
})

t.test('the outcome of a call whose node has ended is unknown, also for those who wait for it', async (t) => {
  const states: KnownCall[] = [{ state: 'lost' }, { state: 'running' }, { state: 'running' }, { state: 'lost' }]
  const { begin } = callsOn(t, { begin: () => states.shift()!, finish: async () => {} })
  t.throws(() => begin(), unknown)
  await t.rejects(waitOf(await begin()), unknown)
})

t.test('a call that the store has lost and this node remembers is not run again, here or elsewhere', async (t) => {
  let store = new MemoryCallStore()
  const { begin } = callsOn(t, { begin: (...call) => store.begin(...call), finish: (...end) => store.finish(...end) })
  await recorderOf(await begin())({ json: '1' })
  store = new MemoryCallStore()
  t.throws(() => begin(), unknown)
  const another = callsOn(t, store)
  t.throws(() => another.begin(), unknown)
})

t.test('a repetition waits without a timer for a call of this node, and asks again and again about another node\'s', async (t) => {
  const store = new MemoryCallStore()
  const { begin, timers } = callsOn(t, store)
  const record = recorderOf(await begin())
  const before = timers()
  const wait = waitOf(await begin())
  t.equal(timers(), before)
  await record({ json: '1' })
  t.match(await wait, { outcome: { json: '1' } })
  const other = callsOn(t, store)
  const ended = timers()
  const records = recorderOf(await other.begin('x'))
  const remote = waitOf(await begin('x'))
  t.equal(timers(), ended + 1)
  await records({ error: failureOf(new errors.ForbiddenError('no'), false) as never })
  await remote
  t.equal(timers(), ended + 1, 'what is left is the expiry of the other node\'s call')
})

t.test('the waiting ends with its signal and with the node, and leaves neither timer nor listener', async (t) => {
  const store = new MemoryCallStore()
  const other = callsOn(t, store)
  recorderOf(await other.begin())
  const { begin, calls, timers } = callsOn(t, store)
  const before = timers()
  const abort = new AbortController()
  const added = t.capture(abort.signal, 'addEventListener', abort.signal.addEventListener)
  const removed = t.capture(abort.signal, 'removeEventListener', abort.signal.removeEventListener)
  const wait = waitOf(await begin('k', { n: 1 }, abort.signal))
  t.equal(timers(), before + 1)
  abort.abort()
  t.equal(await wait, null)
  t.equal(timers(), before)
  t.equal(removed().length, added().length)
  t.equal(await waitOf(await begin('k', { n: 1 }, abort.signal)), null, 'aborted before')
  const late = waitOf(await begin())
  await calls.close()
  t.equal(await late, null)
  t.equal(timers(), before)
  t.equal(await waitOf(await begin()), null, 'closed before')
})

t.test('a closing node stores that the outcomes of its running calls are unknown, and begins none', async (t) => {
  const store = new MemoryCallStore()
  const { begin, calls } = callsOn(t, store)
  const record = recorderOf(await begin())
  await calls.close()
  await record({ json: 'too late' })
  t.throws(() => begin(), unknown)
  t.throws(() => begin('next'), { code: 'WSM_ERR_UNAVAILABLE' })
  const { begin: elsewhere } = callsOn(t, store)
  t.throws(() => elsewhere(), unknown)
  recorderOf(await elsewhere('next'))
})

t.test('while the store fails, one attempt a second reaches it; the others are refused at once', async (t) => {
  let isDown = true
  let asked = 0
  const store = new MemoryCallStore()
  const { begin } = callsOn(t, {
    begin: async (...call): Promise<KnownCall> => {
      asked++
      if (isDown) throw new errors.UnavailableError('down')
      return store.begin(...call)
    },
    finish: (...end) => store.finish(...end)
  })
  let now = 5_000
  t.intercept(performance, 'now', { value: () => now })
  await t.rejects(begin() as Promise<Begun>, { code: 'WSM_ERR_UNAVAILABLE' })
  isDown = false
  now += 999
  t.throws(() => begin(), { code: 'WSM_ERR_UNAVAILABLE' })
  t.equal(asked, 1)
  now++
  recorderOf(await begin())
  t.equal(asked, 2)
})

t.test('the outcome of a handler that fails is its error; where it was interrupted, only what it says on purpose', (t) => {
  const own = new AppError('NO_CREDIT', 'None left')
  t.match(failureOf(own, true), { error: { code: 'NO_CREDIT', isAppError: true } })
  t.match(failureOf(new errors.ForbiddenError('no'), true), { error: { code: 'forbidden' } })
  for (const error of [new Error('aborted'), new errors.IdentityChangedError()]) {
    t.equal(failureOf(error, true), 'unknown')
    t.match(failureOf(error, false), { error: { code: String } })
  }
  t.end()
})
