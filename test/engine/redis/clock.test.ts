import t, { type Test } from 'tap'
import { RedisClock } from '../../../lib/engine/redis/clock.js'
import { FakeClock } from '../../fixtures/fake-clock.js'
import { keepingLog } from '../../fixtures/redis-nodes.js'

const NOON = 1_800_000_000_000

/** A node whose own clock says what the test wants. */
function nodeOf (t: Test) {
  const time = new FakeClock(t)
  const own = { ahead: 0 }
  const from = performance.now()
  t.intercept(Date, 'now', { value: () => NOON + performance.now() - from + own.ahead })
  const { log, messages } = keepingLog()
  const clock = new RedisClock(log)
  /** Redis is asked, says that it is so much later than the node's clock has it, and is heard. */
  const measure = (laterMs: number, { there = 1, back = 1 } = {}): void => {
    const askedAt = performance.now()
    time.advance(there)
    const said = NOON + performance.now() - from + laterMs
    time.advance(back)
    clock.measured(said, askedAt, performance.now())
  }
  return { clock, time, own, messages, measure, trueNow: () => NOON + performance.now() - from }
}

t.test('before the first measurement the shared clock is the node\'s own', (t) => {
  const { clock, time } = nodeOf(t)
  t.strictSame([clock.now(), clock.offsetMs], [NOON, 0])
  time.advance(1_234.5)
  t.equal(clock.now(), NOON + 1_234, 'in whole milliseconds')
  t.end()
})

t.test('the shared clock is Redis\'s, and does not change when the node\'s own is set', (t) => {
  const { clock, time, own, measure, trueNow } = nodeOf(t)
  measure(300_000)
  t.strictSame([clock.now(), clock.offsetMs], [trueNow() + 300_000, -300_000])
  own.ahead = 3_600_000
  time.advance(500)
  t.strictSame([clock.now(), clock.offsetMs], [trueNow() + 300_000, 3_300_000])
  t.end()
})

t.test('the measurement with the shortest round trip sets the clock', (t) => {
  const { clock, measure } = nodeOf(t)
  measure(0, { there: 100, back: 0 })
  t.equal(clock.offsetMs, -50, 'it may have been given at any time on the way')
  measure(0, { there: 2, back: 0 })
  t.equal(clock.offsetMs, -1)
  measure(0, { there: 1, back: 400 })
  t.equal(clock.offsetMs, -1)
  measure(0, { there: 0, back: 400 })
  t.equal(clock.offsetMs, 0, 'what it cannot be is said by a slow one, too')
  t.end()
})

t.test('a slow measurement sets the clock only if its bounds exclude the current value', (t) => {
  const { clock, measure } = nodeOf(t)
  measure(0)
  t.equal(clock.offsetMs, 0)
  for (const later of [5_000, -5_000]) {
    measure(later, { there: 20, back: 20 })
    t.equal(Math.abs(clock.offsetMs + later), 20, 'another server has another clock, or it was set')
    measure(later)
    t.equal(clock.offsetMs, -later)
  }
  t.end()
})

t.test('a wrong clock is logged once when it is detected, and once when it is right again', (t) => {
  const { own, messages, measure } = nodeOf(t)
  const said = [1_000, 1_001, -300_000, 700, 499, -999, -1_001].map((ahead) => {
    own.ahead = ahead
    measure(0)
    return messages.splice(0).map((message) => /clock of this node (differs|agrees)/.exec(message)![1])
  })
  t.strictSame(said, [[], ['differs'], [], [], ['agrees'], [], ['differs']])
  t.end()
})
