import t from 'tap'
import { Liveness } from '../../lib/socket/liveness.js'
import { FakeClock } from '../fixtures/fake-clock.js'

t.test('the round-trip time is in milliseconds, with two decimals', (t) => {
  const clock = new FakeClock(t)
  const liveness = new Liveness()
  const data = liveness.pinging(0)
  clock.advance(12.3456)
  t.equal(liveness.ponged(data, performance.now()), true)
  t.equal(liveness.rttMs, 12.35)
  t.end()
})
