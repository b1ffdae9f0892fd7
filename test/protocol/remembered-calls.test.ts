import t from 'tap'
import { CALL_BYTES, RememberedCalls, type CallBounds } from '../../lib/protocol/remembered-calls.js'
import { createLimits } from '../../lib/telemetry/limits.js'
import { timersOf } from '../fixtures/timers.js'
import { until } from '../fixtures/until.js'

const tooMany = { code: 'WSM_ERR_RATE_LIMITED' }
const full = { code: 'WSM_ERR_UNAVAILABLE' }

function remembered (bounds: Partial<CallBounds> = {}, retentionMs = 60_000) {
  const limit = createLimits().remembered_calls
  return { limit, calls: new RememberedCalls({ maxRememberedBytes: 1e9, maxRememberedBytesPerUser: 1e9, ...bounds }, limit, retentionMs) }
}

t.test('calls of one user are limited by their size and that of their outcomes, and each refusal is counted', (t) => {
  const { calls, limit } = remembered({ maxRememberedBytesPerUser: 3 * CALL_BYTES })
  calls.begin('a', 'alice')
  calls.begin('b', 'alice')
  calls.end('a', CALL_BYTES)
  t.throws(() => calls.begin('c', 'alice'), tooMany)
  calls.begin('d', 'bob')
  t.equal(limit.value, 1)
  calls.close()
  t.end()
})

t.test('the calls of all users together are limited, running and ended', (t) => {
  const { calls, limit } = remembered({ maxRememberedBytes: 3 * CALL_BYTES })
  for (const name of ['a', 'b', 'c']) calls.begin(name, name)
  t.throws(() => calls.begin('d', 'd'), full)
  calls.end('a', 0)
  t.throws(() => calls.begin('d', 'd'), full)
  t.equal(limit.value, 2)
  calls.end('b', null)
  calls.begin('d', 'd')
  calls.close()
  t.end()
})

t.test('forgotten calls and those whose retention is over make room, and leave no timer', async (t) => {
  const timers = timersOf(t)
  const { calls } = remembered({ maxRememberedBytesPerUser: CALL_BYTES }, 20)
  const begin = (name: string) => calls.begin(name, 'alice')
  begin('a')
  t.throws(() => begin('b'), tooMany)
  calls.end('a', null)
  begin('a')
  calls.end('a', 100)
  t.throws(() => begin('b'), tooMany)
  await until(() => timers() === 0)
  begin('b')
  t.equal(timers(), 0)
})

t.test('a call that was run here does not begin again until its retention is over', async (t) => {
  const timers = timersOf(t)
  const { calls } = remembered({}, 20)
  const unknown = { code: 'WSM_ERR_OUTCOME_UNKNOWN' }
  calls.begin('a', 'alice')
  t.throws(() => calls.begin('a', 'alice'), unknown)
  calls.end('a', 100)
  t.throws(() => calls.begin('a', 'alice'), unknown)
  await until(() => timers() === 0)
  calls.begin('a', 'alice')
})
