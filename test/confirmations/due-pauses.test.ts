import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { DueTimes } from '../../lib/confirmations/due-times.js'

t.test('the pause before the next poll is never shorter than 20 ms, and differs from node to node', async (t) => {
  const set: Array<{ run: () => void, ms: number }> = []
  let random = 0
  t.intercept(Math, 'random', { value: () => random })
  t.intercept(globalThis, 'setTimeout', { value: (run: () => void, ms: number) => set.push({ run, ms }) })
  const nextInMs = [0, 0, 5_000, 100]
  const store = { outlivesNode: true, takeDue: async () => ({ due: [], nextInMs: nextInMs.shift()! }) }
  const dueTimes = new DueTimes(store as never, {} as never, {} as never, {} as never)
  dueTimes.start()
  for (const value of [0, 0.5, 0.5, 1]) {
    random = value
    set.at(-1)!.run()
    await turn()
  }
  t.strictSame(set.map(({ ms }) => ms), [750, 20, 30, 1_000, 140])
})
