import t from 'tap'
import { Peers } from '../../../lib/engine/redis/peers.js'

/** A renewal that finds those with a lease. */
function renew (peers: Peers, leased: string[], isCertain = true): void {
  peers.renewing()
  peers.renewed(leased, isCertain)
}

t.test('a node is known by a message or a lease, and is never its own peer', async (t) => {
  const peers = new Peers('self', 60_000)
  peers.heard('a')
  renew(peers, ['self', 'a', 'b'])
  peers.heard('self')
  t.strictSame([...peers.alive], ['a', 'b'])
  t.strictSame(peers.dead, [])
})

t.test('the sightings of a dead node are covered by one two renewals later', async (t) => {
  const peers = new Peers('self', 60_000)
  renew(peers, ['a'])
  renew(peers, [])
  t.strictSame([...peers.alive], [])
  t.strictSame(peers.dead, ['a'])
  const { era } = peers
  t.strictSame([0, 1, 2].map((later) => peers.gone(era + later)), [
    { covered: [], uncovered: ['a'] }, { covered: [], uncovered: ['a'] }, { covered: ['a'], uncovered: [] }
  ])
  peers.heard('a')
  t.strictSame(peers.gone(era), { covered: [], uncovered: [] }, 'one that is heard of again is there')
})

t.test('no node counts as dead while leases may be lost', async (t) => {
  const peers = new Peers('self', 60_000)
  renew(peers, ['a'])
  renew(peers, ['b'], false)
  t.strictSame([...peers.alive], ['a', 'b'])
})

t.test('a node that has left does not come back, and its sightings are covered', async (t) => {
  const peers = new Peers('self', 60_000)
  renew(peers, ['a'])
  peers.left('a')
  renew(peers, ['a'])
  t.strictSame([...peers.alive], [])
  t.strictSame(peers.gone(peers.era), { covered: ['a'], uncovered: [] })
  t.strictSame(peers.dead, [])
})

t.test('a node that has been gone long enough is forgotten', async (t) => {
  const peers = new Peers('self', -1)
  renew(peers, ['a'])
  renew(peers, [])
  t.strictSame(peers.gone(0), { covered: [], uncovered: [] })
})
