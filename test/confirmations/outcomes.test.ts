import t from 'tap'
import { Outcomes } from '../fixtures/outcomes.js'

/** The statuses that callers were told of one question; `?` behind one: it was told as uncertain. */
function told (...statuses: string[]): Outcomes {
  const outcomes = new Outcomes()
  for (const status of statuses) outcomes.tell({ id: 'one', status: status.replace('?', ''), isUncertain: status.endsWith('?'), by: 'somebody' })
  return outcomes
}

t.test('an outcome is undone by another one, and by none, unless it was said that this may be', async (t) => {
  for (const statuses of [['pending', 'confirmed', 'declined'], ['confirmed', 'pending'], ['confirmed', 'pending', 'confirmed'], ['confirmed', 'declined', 'declined?']]) {
    t.match(told(...statuses).undone, [[{ status: statuses[0] }]], statuses.join())
  }
  for (const statuses of [['pending', 'pending', 'confirmed', 'confirmed'], ['confirmed', 'pending?', 'declined'], ['confirmed', 'declined?'], ['pending'], []]) {
    t.strictSame(told(...statuses).undone, [], statuses.join())
  }
})

t.test('questions are told apart, and those counted of which somebody was told that they are uncertain', async (t) => {
  const outcomes = told('confirmed', 'pending?', 'declined?')
  outcomes.tell({ id: 'two', status: 'declined', isUncertain: false, by: 'somebody' })
  t.strictSame([outcomes.undone, outcomes.uncertain], [[], 1])
})
