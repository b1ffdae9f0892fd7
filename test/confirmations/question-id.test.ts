import t from 'tap'
import { nextQuestionId } from '../../lib/confirmations/question-id.js'

t.test('ids are UUIDs in the order in which they are made, however many in a millisecond', (t) => {
  const before = Date.now()
  const ids = Array.from({ length: 20_000 }, () => nextQuestionId(Date.now()))
  t.ok(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)))
  t.strictSame(ids.toSorted(), ids)
  t.equal(new Set(ids.map((id) => id.slice(19))).size, ids.length, 'and cannot be guessed from each other')
  t.ok(parseInt(ids[0]!.replaceAll('-', '').slice(0, 12), 16) >= before)
  t.end()
})
