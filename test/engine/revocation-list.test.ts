import t from 'tap'
import { localClock } from '../../lib/engine/clock.js'
import { RevocationList } from '../../lib/engine/revocation-list.js'
import { FakeClock } from '../fixtures/fake-clock.js'

const later = () => Date.now() + 3_600_000

t.test('expired revocations are removed when others are added, at most once a minute', (t) => {
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

t.test('adding a revocation returns whether it changed the list', (t) => {
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

t.test('of several revocations of a user the latest time and the latest expiry apply, in any order', (t) => {
  const clock = { time: 1_000, now: () => clock.time, offsetMs: 0 }
  const [earlier, later] = [{ userId: 'alice', issuedBefore: 5, expiresAt: 3_000 }, { userId: 'alice', issuedBefore: 8, expiresAt: 2_000 }]
  for (const order of [[earlier, later], [later, earlier]]) {
    clock.time = 1_000
    const list = new RevocationList(clock)
    for (const revocation of order) list.add(revocation)
    const isRevoked = (issuedAt: number) => list.has({ id: 'alice', jti: null, issuedAt })
    t.strictSame([isRevoked(7), isRevoked(8)], [true, false])
    clock.time = 2_999
    t.equal(isRevoked(7), true)
    clock.time = 3_000
    t.equal(isRevoked(7), false)
  }
  t.end()
})
