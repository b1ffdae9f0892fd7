import t from 'tap'
import { KnownEnds } from '../../../lib/engine/redis/known-ends.js'

t.test('an end is kept once, as it was heard of first, and may be told later', async (t) => {
  const ends = new KnownEnds(60_000)
  t.strictSame([ends.get('a'), ends.isTold('a')], [null, false])
  ends.add('a', '1', false)
  ends.add('a', '2', true)
  ends.add('a', '3', false)
  t.strictSame([ends.get('a'), ends.isTold('a'), [...ends.values()]], ['1', true, ['1']])
  ends.clear()
  t.strictSame([...ends.values()], [])
})

t.test('the oldest go where they are too many, too large, or older than ended questions are kept', async (t) => {
  const many = new KnownEnds(60_000)
  for (let n = 0; n <= 10_000; n++) many.add(String(n), 'end', true)
  t.strictSame([many.get('0'), many.get('1')], [null, 'end'])
  const large = new KnownEnds(60_000)
  for (const id of ['a', 'b', 'c']) large.add(id, 'x'.repeat(16_777_216), true)
  t.strictSame(['a', 'b', 'c'].map((id) => large.isTold(id)), [false, true, true])
  const old = new KnownEnds(-1)
  old.add('a', 'end', true)
  t.strictSame([...old.values()], [])
})
