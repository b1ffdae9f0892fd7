import t from 'tap'
import { Rate } from '../../lib/socket/rate.js'

/** Takes one at a time, and says how many of so many there were. */
function taker (rate: Rate) {
  const state = { now: 1_000_000, dueAt: 0 }
  const take = (times: number) => {
    let taken = 0
    for (let i = 0; i < times; i++) {
      if (rate.waitMs(state.dueAt, state.now) > 0) continue
      state.dueAt = rate.charge(state.dueAt, state.now, 1)
      taken++
    }
    return taken
  }
  return { state, take, waitMs: () => rate.waitMs(state.dueAt, state.now) }
}

t.test('a rate accepts a burst, and then its number of units a second', (t) => {
  const { state, take, waitMs } = taker(new Rate(20, 100))
  t.equal(take(150), 100)
  t.equal(waitMs(), 50)
  state.now += 49
  t.equal(take(1), 0)
  t.equal(waitMs(), 1)
  state.now += 1
  t.equal(take(5), 1)
  state.now += 1_000
  t.equal(take(50), 20)
  state.now += 3_600_000
  t.equal(take(150), 100, 'what is not used does not add up beyond the burst')
  t.end()
})

t.test('a rate is exact to the unit over a long time', (t) => {
  const { state, take } = taker(new Rate(20, 5))
  const start = state.now
  let taken = 0
  for (; state.now < start + 100_000; state.now += 7) taken += take(1)
  t.ok(Math.abs(taken - 2_004) <= 1, `${taken} in 100 s`)
  t.end()
})

t.test('a rate accepts more units than its burst, followed by a longer wait', (t) => {
  const rate = new Rate(1_000, 100)
  const dueAt = rate.charge(0, 1_000, 5_000)
  t.equal(rate.waitMs(dueAt, 1_000), 5_000 - 99)
  t.equal(rate.waitMs(dueAt, 1_000 + 5_000 - 99), 0)
  t.end()
})

t.test('a rate of 0 is no limit', (t) => {
  for (const rate of [new Rate(0, 1), new Rate(10_000_000, 10_000_000)]) {
    const { take } = taker(rate)
    const start = performance.now()
    t.equal(take(1_000_000), 1_000_000)
    const ns = performance.now() - start
    t.ok(ns < 200, `${ns.toFixed(1)} ns each`)
  }
  t.end()
})
