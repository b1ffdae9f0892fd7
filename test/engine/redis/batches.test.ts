import t from 'tap'
import { Batches } from '../../../lib/engine/redis/batches.js'
import { FakeClock } from '../../fixtures/fake-clock.js'

/** Batches whose ends the test decides on. */
function batchesOf (timeoutMs = 1_000, sizeOf?: (item: number) => number) {
  const runs: { lane: string, items: number[], end: (results?: (number | Error)[]) => void, fail: (error: Error) => void }[] = []
  let wake = () => {}
  const batches = new Batches<number, number>(timeoutMs, (items, _leftMs, lane) => new Promise((resolve, reject) => {
    runs.push({ lane, items, end: (results = items) => resolve(results), fail: reject })
    wake()
  }), sizeOf)
  const run = async (index: number) => {
    while (runs.length <= index) await new Promise<void>((resolve) => { wake = resolve })
    return runs[index]!
  }
  return { batches, runs, run }
}

t.test('requests within a tick form one batch; requests during its flight form the next', async (t) => {
  const { batches, runs, run } = batchesOf()
  const first = [batches.push('', 1), batches.push('', 2)]
  t.strictSame((await run(0)).items, [1, 2])
  const second = [batches.push('', 3), batches.push('', 4)]
  await new Promise(setImmediate)
  t.equal(runs.length, 1)
  runs[0]!.end([10, 20])
  t.strictSame(await Promise.all(first), [10, 20])
  t.strictSame((await run(1)).items, [3, 4])
  runs[1]!.end([30, new Error('four')])
  t.equal(await second[0], 30)
  await t.rejects(second[1]!, { message: 'four' })
})

t.test('a lane is waiting while items wait for the previous batch', async (t) => {
  const { batches, run } = batchesOf()
  t.notOk(batches.isWaiting('a'), 'one that was never used is not')
  const first = batches.push('a', 1)
  const { end } = await run(0)
  t.notOk(batches.isWaiting('a'))
  const second = batches.push('a', 2)
  t.ok(batches.isWaiting('a'))
  end()
  ;(await run(1)).end()
  t.strictSame(await Promise.all([first, second]), [1, 2])
  t.notOk(batches.isWaiting('a'))
})

t.test('batches of different lanes do not wait for each other', async (t) => {
  const { batches, run } = batchesOf()
  const [a, b] = [batches.push('a', 1), batches.push('b', 2)]
  t.equal((await run(0)).lane, 'a')
  ;(await run(1)).end()
  t.equal(await b, 2)
  ;(await run(0)).end()
  t.equal(await a, 1)
})

t.test('a batch is limited in number and in size', async (t) => {
  const { batches, run } = batchesOf(1_000, (item) => item)
  const pushed = [...Array.from({ length: 300 }, () => 0), 600_000, 600_000, 5].map((item) => batches.push('', item))
  for (const [index, count] of [256, 46, 1].entries()) {
    const { items, end } = await run(index)
    t.equal(items.length, count)
    end()
  }
  await Promise.all(pushed)
})

t.test('a failing batch fails all of its items, and the next one runs', async (t) => {
  const { batches, run } = batchesOf()
  const failing = [1, 2].map((item) => t.rejects(batches.push('', item), { message: 'broken' }))
  const { fail } = await run(0)
  const next = batches.push('', 3)
  fail(new Error('broken'))
  await Promise.all(failing)
  ;(await run(1)).end()
  t.equal(await next, 3)
})

t.test('an item that has waited too long behind a batch is not tried any more', async (t) => {
  const clock = new FakeClock(t)
  const { batches, runs, run } = batchesOf(20)
  const first = batches.push('', 1)
  const { end } = await run(0)
  const second = t.rejects(batches.push('', 2), { code: 'WSM_ERR_UNAVAILABLE' })
  clock.advance(20)
  end()
  t.equal(await first, 1)
  await second
  t.equal(runs.length, 1)
})
