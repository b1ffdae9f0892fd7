import t from 'tap'
import { KnownEnds } from '../../../lib/engine/redis/known-ends.js'

const of = (id: string, createdAt = 1) => ({ callback_id: id, created_at: createdAt })

t.test('an end is kept once, as first received, and may be reported later', async (t) => {
  const ends = new KnownEnds(60_000)
  t.strictSame([ends.get('a'), ends.isTold('a')], [null, false])
  ends.add(of('a'), '1', false)
  ends.add(of('a'), '2', true)
  ends.add(of('a'), '3', false)
  t.strictSame([ends.get('a'), ends.isTold('a'), [...ends.values()]], ['1', true, ['1']])
  t.strictSame([[...ends.values(-1)], ends.forgottenUntil], [[], 0])
})

t.test('the oldest ends are evicted if they are too many, too large or older than the retention', async (t) => {
  const many = new KnownEnds(60_000)
  for (let n = 0; n <= 10_000; n++) many.add(of(String(n)), 'end', true)
  t.strictSame([many.get('0'), many.get('1')], [null, 'end'])
  const large = new KnownEnds(60_000)
  for (const id of ['a', 'b', 'c']) large.add(of(id), 'x'.repeat(16_777_216), true)
  t.strictSame(['a', 'b', 'c'].map((id) => large.isTold(id)), [false, true, true])
  const old = new KnownEnds(-1)
  old.add(of('a'), 'end', true)
  t.strictSame([...old.values()], [])
  old.add(of('b', 5), 'end', true)
  old.add(of('c', 3), 'end', true)
  t.equal(old.forgottenUntil, 5)
})
