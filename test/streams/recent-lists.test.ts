import t, { type Test } from 'tap'
import type { Connection } from '../../lib/socket/connection.js'
import { RecentLists } from '../../lib/streams/recent-lists.js'
import { FakeClock } from '../fixtures/fake-clock.js'

const [alice, bob] = [{} as Connection, {} as Connection]

t.test('recent lists keep the latest list of each member for a while', (t: Test) => {
  const clock = new FakeClock(t)
  const lists = new RecentLists()
  lists.add('a', alice, 1)
  clock.advance(2_000)
  lists.add('a', bob, 2)
  lists.add('b', bob, 3)
  lists.add('a', bob, 4)
  t.equal(clock.timerCount, 1, 'one timer for all')
  t.strictSame([...lists.of('a')], [[alice, 1], [bob, 4]])
  lists.add('a', alice, 5)
  t.strictSame([...lists.of('a')], [[alice, 5], [bob, 4]])
  clock.advance(2_000)
  t.equal(lists.of('a').size, 2)
  clock.advance(2_000)
  t.equal(lists.of('a').size, 0)
  clock.advance(2_000)
  t.equal(clock.timerCount, 0, 'and none when there is nothing to forget')
  lists.add('a', alice, 6)
  lists.close()
  lists.add('a', bob, 7)
  t.strictSame([...lists.of('a')], [[alice, 6]], 'at the end nothing is added')
  t.equal(clock.timerCount, 0)
  t.end()
})
