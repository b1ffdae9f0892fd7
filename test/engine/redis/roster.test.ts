import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Roster } from '../../../lib/engine/redis/roster.js'

/** A roster on what the test says that Redis has. */
function rosterOf () {
  const told: string[] = []
  const failures: unknown[] = []
  const stored = { number: 0, users: [] as string[], isAway: false, reads: 0 }
  const roster = new Roster({
    read: async () => {
      stored.reads++
      if (stored.isAway) throw new Error('away')
      return { number: stored.number, users: new Set(stored.users) }
    },
    tell: (kind, user) => { told.push(`${user} ${kind}`) },
    fail: (error) => { failures.push(error) }
  })
  const receive = (number: number, kind: 'joined' | 'left', user_id: string) => roster.receive({ number, kind, user_id, channel: 'a' })
  return { roster, told, failures, stored, receive }
}

t.test('a roster does not report its initial users, but newer changes that arrive meanwhile', async (t) => {
  const { roster, told, stored, receive } = rosterOf()
  Object.assign(stored, { number: 2, users: ['alice', 'bob'] })
  const opened = roster.open()
  receive(2, 'joined', 'bob')
  receive(3, 'left', 'alice')
  roster.load()
  await opened
  t.strictSame(told, ['alice left'])
  t.equal(stored.reads, 1)
})

t.test('a roster detects a missed change by its number', async (t) => {
  const { roster, told, stored, receive } = rosterOf()
  Object.assign(stored, { number: 1, users: ['alice'] })
  await roster.open()
  Object.assign(stored, { number: 4, users: ['carol'] })
  receive(4, 'joined', 'carol')
  receive(5, 'joined', 'dora')
  await setImmediate()
  t.strictSame(told, ['alice left', 'carol joined', 'dora joined'])
})

t.test('a roster reads the users again if the numbering restarted', async (t) => {
  const { roster, told, stored, receive } = rosterOf()
  Object.assign(stored, { number: 7, users: ['alice'] })
  await roster.open()
  Object.assign(stored, { number: 1, users: ['bob'] })
  receive(1, 'joined', 'bob')
  await setImmediate()
  t.strictSame(told, ['alice left', 'bob joined'])
  receive(2, 'left', 'bob')
  t.equal(told.at(-1), 'bob left')
})

t.test('a roster repeats a failed reading of users with the next load', async (t) => {
  const { roster, told, failures, stored, receive } = rosterOf()
  await roster.open()
  stored.isAway = true
  receive(2, 'joined', 'bob')
  await setImmediate()
  t.strictSame([failures.length, told], [1, []])
  Object.assign(stored, { isAway: false, number: 2, users: ['bob', 'alice'] })
  roster.load()
  await setImmediate()
  t.strictSame(told, ['bob joined', 'alice joined'])
})

t.test('a closed roster reports nothing', async (t) => {
  const { roster, told, stored, receive } = rosterOf()
  await roster.open()
  Object.assign(stored, { number: 1, users: ['bob'] })
  roster.load()
  roster.close()
  await setImmediate()
  roster.load()
  receive(1, 'joined', 'bob')
  t.strictSame([told, stored.reads], [[], 2])
})

/** A change of the node itself. */
const own = (number: number, kind: 'joined' | 'left', user_id: string) => ({ number, kind, user_id, channel: 'a' })

t.test('a node\'s own change is reported once, whether the roster was opened before it or after', async (t) => {
  const { roster, told, stored, receive } = rosterOf()
  Object.assign(stored, { number: 2, users: ['alice', 'bob'] })
  const opened = roster.open()
  roster.made(own(1, 'joined', 'alice'))
  roster.made(own(3, 'joined', 'carol'))
  t.strictSame([roster.hasTold(1), told], [false, []], 'it may come by its message')
  await opened
  t.strictSame(told, ['alice joined'])
  roster.made(own(2, 'joined', 'bob'))
  t.strictSame(told, ['alice joined', 'bob joined'])
  t.strictSame([1, 2, 3].map((number) => roster.hasTold(number)), [false, false, false], 'who was there is no news of the roster')
  receive(3, 'joined', 'carol')
  t.strictSame([2, 3, 4].map((number) => roster.hasTold(number)), [false, true, false])
  roster.made(own(3, 'joined', 'carol'))
  roster.close()
  t.strictSame(told, ['alice joined', 'bob joined', 'carol joined'])
})

t.test('a node\'s own change whose message has not arrived is reported when the roster closes', async (t) => {
  const { roster, told, stored } = rosterOf()
  await roster.open()
  roster.made(own(1, 'joined', 'alice'))
  Object.assign(stored, { number: 1, users: ['alice'] })
  roster.load()
  await setImmediate()
  roster.made(own(2, 'left', 'alice'))
  roster.close()
  t.strictSame(told, ['alice joined', 'alice left'])
})
