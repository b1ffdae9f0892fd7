import t from 'tap'
import { OrderedSet, merged } from '../../lib/engine/ordered-set.js'
import { random } from '../fixtures/random.js'

const byValue = (a: number, b: number) => a - b

t.test('an ordered set equals a sorted array without duplicates, whatever is added and deleted', (t) => {
  const { int, chance } = random(7)
  const set = new OrderedSet<number>(byValue)
  const model = new Set<number>()
  for (let step = 0; step < 20_000; step++) {
    const element = int(3_000)
    // First it grows over several blocks, then it shrinks to nothing.
    if (chance(step < 10_000 ? 0.8 : 0.2)) {
      set.add(element)
      model.add(element)
    } else {
      set.delete(element)
      model.delete(element)
    }
    if (step % 500 !== 0) continue
    const sorted = [...model].sort(byValue)
    t.strictSame([...set.values()], sorted)
    for (const after of [-1, element, sorted[0] ?? 0, 1_500, 3_000]) t.strictSame([...set.values(after)], sorted.filter((value) => value > after), `after ${after}`)
  }
  for (const element of model) set.delete(element)
  t.equal(set.isEmpty, true)
  t.strictSame([...set.values()], [])
  t.end()
})

t.test('several ordered sets are merged in one order, from one position', (t) => {
  const sets = [[1, 4, 7], [], [2, 5], [3, 6, 8]].map((elements) => {
    const set = new OrderedSet<number>(byValue)
    for (const element of elements) set.add(element)
    return set
  })
  t.strictSame([...merged(sets, null, byValue)], [1, 2, 3, 4, 5, 6, 7, 8])
  t.strictSame([...merged(sets, 4, byValue)], [5, 6, 7, 8])
  t.strictSame([...merged([], null, byValue)], [])
  t.end()
})
