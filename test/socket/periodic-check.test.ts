import t from 'tap'
import type { Connection } from '../../lib/socket/connection.js'
import { Registry } from '../../lib/socket/registry.js'
import { PeriodicCheck } from '../../lib/socket/periodic-check.js'
import { FakeClock } from '../fixtures/fake-clock.js'

t.test('a periodic check runs between start and stop while there are sockets', (t) => {
  const clock = new FakeClock(t)
  const registry = new Registry()
  const [first, second] = ['first', 'second'].map((id) => ({ id, connectedAt: 1, user: null }) as Connection)
  let looks = 0
  const check = new PeriodicCheck(registry, 100, () => { looks++ })
  const looksAfter = (change: () => void) => {
    looks = 0
    change()
    clock.advance(250)
    return [looks, clock.timerCount]
  }
  t.strictSame(looksAfter(() => registry.add(first!)), [0, 0], 'not started')
  t.strictSame(looksAfter(() => check.start()), [2, 1])
  t.strictSame(looksAfter(() => registry.add(second!)), [3, 1])
  t.strictSame(looksAfter(() => registry.remove(first!)), [2, 1])
  t.strictSame(looksAfter(() => registry.remove(second!)), [0, 0], 'no socket')
  t.strictSame(looksAfter(() => registry.add(first!)), [2, 1])
  t.strictSame(looksAfter(() => check.start()), [3, 1], 'started twice')
  t.strictSame(looksAfter(() => check.stop()), [0, 0])
  t.strictSame(looksAfter(() => check.stop()), [0, 0])
  t.strictSame(looksAfter(() => registry.remove(first!)), [0, 0])
  t.end()
})
