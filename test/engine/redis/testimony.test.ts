import t from 'tap'
import { Lane } from '../../../lib/engine/redis/lane.js'
import { Peers } from '../../../lib/engine/redis/peers.js'
import { conclude, inquire, isInquiry, isTestimony, testify, type Testimony } from '../../../lib/engine/redis/testimony.js'

interface Saying { verdict: 'kept' | 'lost' | null, covered?: string[], uncovered?: string[], peers?: string[] }

function concluded (sayings: Record<string, Saying>) {
  const testimonies = new Map(Object.entries(sayings).map(([node, { verdict, covered = [], uncovered = [], peers = [] }]): [string, Testimony] =>
    [node, { lanes: [{ verdict, covered, uncovered }], peers }]))
  return conclude(testimonies, 0)
}

t.test('a lane is kept if all nodes have answered, one has seen it, and none misses a write', async (t) => {
  t.equal(concluded({ a: { verdict: 'kept', peers: ['b'] }, b: { verdict: null, peers: ['a'] } }), 'kept')
  t.equal(concluded({ a: { verdict: 'kept', peers: ['b'] }, b: { verdict: 'lost', peers: ['a'] } }), 'lost')
  t.equal(concluded({ a: { verdict: null }, b: { verdict: null } }), 'unseen')
})

t.test('there is no conclusion while a known node has not answered', async (t) => {
  t.equal(concluded({ a: { verdict: 'lost', peers: ['b'] }, b: { verdict: 'kept', peers: ['a', 'c'] } }), null)
})

t.test('the sightings of a dead node must be covered by a node that has seen the lane', async (t) => {
  t.equal(concluded({ a: { verdict: 'kept', uncovered: ['d'] } }), 'lost')
  t.equal(concluded({ a: { verdict: 'kept', uncovered: ['d'] }, b: { verdict: 'kept', covered: ['d'] } }), 'kept')
  t.equal(concluded({ a: { verdict: 'kept', uncovered: ['d'] }, b: { verdict: null, covered: ['d'] } }), 'lost')
  t.equal(concluded({ a: { verdict: 'kept', uncovered: ['b'] }, b: { verdict: null } }), 'kept', 'it is not dead after all')
})

t.test('a node that has testified about a lane accepts nothing more from its segment', async (t) => {
  const lane = new Lane('key')
  const peers = new Peers('self', 60_000)
  peers.heard('b')
  const state = { master: 'm', run: 'old', segment: '1-a.x', number: 4, ended: new Map([['1-a.w', 2]]) }
  const inquiry = inquire([{ lane, state }, { lane: new Lane('other'), state }])
  t.ok(isInquiry(JSON.parse(JSON.stringify(inquiry))))
  const laneOf = (key: string) => key === 'key' ? lane : new Lane(key)
  t.strictSame(testify(inquiry, laneOf, peers).lanes.map(({ verdict }) => verdict), [null, null])
  t.match(lane.fence, { segment: '1-a.x' }, 'nor does one that has seen nothing')
  lane.enter('1-a.x', 5, 1)
  const testimony = testify(inquiry, laneOf, peers)
  t.ok(isTestimony(testimony))
  t.match(testimony, { lanes: [{ verdict: 'lost' }, { verdict: null }], peers: ['b'] })
  t.match(lane.fence, { master: 'm', segment: '1-a.x', seen: new Map([['1-a.x', 5]]) })
})
