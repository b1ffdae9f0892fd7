import t, { type Test } from 'tap'
import { PresenceChanges } from '../../lib/streams/presence-changes.js'
import { FakeClock } from '../fixtures/fake-clock.js'

function start (t: Test) {
  const clock = new FakeClock(t)
  const told: string[] = []
  const changes = new PresenceChanges(100, (channel, users) => {
    told.push(`${channel}: ` + [...users].map(({ userId, kind, isCancelled, number }) => `${userId} ${kind} ${number}${isCancelled ? ' cancelled' : ''}`).join(', '))
  })
  const add = (...entries: string[]) => {
    for (const entry of entries) {
      const [channel, user_id, kind] = entry.split(' ') as [string, string, 'joined' | 'left']
      changes.add({ channel, user_id, kind })
    }
  }
  const taken = () => told.splice(0)
  return { clock, changes, add, taken }
}

t.test('presence changes of a window are reported at its end by channel and user, the latest last', (t) => {
  const { clock, changes, add, taken } = start(t)
  add('a alice joined')
  clock.advance(99)
  t.strictSame(taken(), [])
  add('a bob joined', 'b alice joined', 'a alice left', 'a alice joined')
  clock.advance(1)
  t.strictSame(taken(), ['a: bob joined 2, alice joined 5', 'b: alice joined 3'])
  t.equal(changes.number, 5)
  t.equal(clock.timerCount, 0)
  add('a bob left')
  clock.advance(100)
  t.strictSame(taken(), ['a: bob left 6'])
  t.end()
})

t.test('presence changes of a user that cancel out are marked so, however many there are', (t) => {
  const { clock, add, taken } = start(t)
  add('a alice joined', 'a bob left', 'a bob joined', 'a alice left')
  for (let i = 0; i < 10; i++) add('a carol joined', 'a carol left')
  clock.advance(100)
  t.strictSame(taken(), ['a: bob joined 3 cancelled, alice left 4 cancelled, carol left 24 cancelled'])
  t.end()
})

t.test('closing reports the collected presence changes, and later ones at once', (t) => {
  const { clock, changes, add, taken } = start(t)
  add('a alice joined')
  changes.close()
  t.strictSame(taken(), ['a: alice joined 1'])
  add('a alice left')
  t.strictSame(taken(), ['a: alice left 2'])
  t.equal(clock.timerCount, 0)
  t.end()
})
