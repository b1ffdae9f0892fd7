import t from 'tap'
import { BoundedWaits } from '../lib/bounded-waits.js'

const never = new Promise<never>(() => {})

t.test('a wait settles as its work does', async (t) => {
  const waits = new BoundedWaits()
  t.equal(await waits.wait(Promise.resolve(1), 60_000, () => t.fail('it was in time')), 1)
  await t.rejects(waits.wait(Promise.reject(new Error('failed')), 60_000, () => t.fail('it was in time')), { message: 'failed' })
})

t.test('a wait ends after its time-out, and a later failure is dropped', async (t) => {
  const waits = new BoundedWaits()
  let fail!: (error: Error) => void
  const work = new Promise<never>((_resolve, reject) => { fail = reject })
  t.equal(await waits.wait(work, 1, () => 'late'), 'late')
  fail(new Error('nobody may see this'))
  await t.rejects(waits.wait(never, 1, () => { throw new Error('late') }), { message: 'late' })
})

t.test('every wait ends when the server closes', async (t) => {
  const waits = new BoundedWaits()
  const late = () => t.fail('it was in time')
  const outcomes = Promise.allSettled([waits.wait(never, 60_000, late), waits.wait(never, 60_000, late)])
  waits.close()
  for (const outcome of await outcomes) t.match(outcome, { status: 'rejected', reason: { code: 'WSM_ERR_UNAVAILABLE', message: 'The server is closing' } })
})
