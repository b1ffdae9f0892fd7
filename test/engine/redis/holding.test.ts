import t from 'tap'
import { Holding } from '../../../lib/engine/redis/holding.js'

const KEPT = { size: 10, ttlMs: 60_000 }

t.test('a holding finds the message with which a number of bytes is gone', (t) => {
  const holding = new Holding()
  for (const [offset, bytes] of [[3, 10], [5, 20], [6, 30]] as const) holding.add(bytes, offset, KEPT)
  for (const [bytes, offset] of [[1, 3], [10, 3], [11, 5], [30, 5], [31, 6], [60, 6], [61, 6]] as const) t.equal(holding.offsetFor(bytes), offset, `${bytes} bytes`)
  holding.dropBefore(5)
  t.equal(holding.bytes, 50)
  t.equal(holding.offsetFor(1), 5)
  holding.add(1, 15, KEPT)
  t.equal(holding.bytes, 31, 'the history keeps ten')
  t.end()
})
