import t from 'tap'
import { localClock } from '../../lib/clock.js'
import { RevocationList } from '../../lib/engine/revocation-list.js'
import { FakeClock } from '../fixtures/fake-clock.js'

const later = () => Date.now() + 3_600_000

t.test('what has expired goes when others come, not more often than once a minute', (t) => {
  const clock = new FakeClock(t)
  const list = new RevocationList(localClock)
  list.add({ jti: 'a', expiresAt: Date.now() - 1 })
  list.add({ userId: 'alice', issuedBefore: 1, expiresAt: Date.now() - 1 })
  list.add({ jti: 'b', expiresAt: later() })
  list.add({ userId: 'bob', issuedBefore: 1, expiresAt: later() })
  t.equal(list.size, 4)
  clock.advance(60_000)
  list.add({ jti: 'c', expiresAt: later() })
  t.strictSame([...list.values()].map((revocation) => 'jti' in revocation ? revocation.jti : revocation.userId), ['b', 'c', 'bob'])
  t.end()
})

t.test('it says what is news', (t) => {
  const list = new RevocationList(localClock)
  const expiresAt = later()
  t.equal(list.add({ jti: 'a', expiresAt }), true)
  t.equal(list.add({ jti: 'a', expiresAt }), false)
  t.equal(list.add({ jti: 'a', expiresAt: expiresAt + 1 }), true)
  t.equal(list.add({ userId: 'a', issuedBefore: 5, expiresAt }), true)
  t.equal(list.add({ userId: 'a', issuedBefore: 4, expiresAt }), false)
  t.equal(list.add({ userId: 'a', issuedBefore: 6, expiresAt: expiresAt - 1 }), true)
  t.equal(list.add({ userId: 'a', issuedBefore: 1, expiresAt: expiresAt + 1 }), true)
  t.equal(list.knows({ jti: 'a', expiresAt }), true)
  t.equal(list.knows({ jti: 'b', expiresAt }), false)
  t.equal(list.knows({ userId: 'b', issuedBefore: 1, expiresAt }), false)
  t.end()
})
