import t from 'tap'
import { asMarks, generationOf, Lane, orderOf, type LaneState } from '../../../lib/engine/redis/lane.js'

function state (segment: string, number: number, ended: Record<string, number> = {}): LaneState {
  return { master: 'm', run: 'm', segment, number, ended: new Map(Object.entries(ended)) }
}

function lane (segment: string, number: number): Lane {
  const lane = new Lane('key')
  lane.enter(segment, number, 1)
  return lane
}

t.test('a sighting is covered if its segment has advanced as far, or ended no earlier', async (t) => {
  const seen = lane('1-a.x', 5)
  t.equal(seen.judge(state('1-a.x', 5)), 'kept')
  t.equal(seen.judge(state('1-a.x', 4)), 'lost')
  t.equal(seen.judge(state('1-a.y', 9, { '1-a.x': 5 })), 'kept')
  t.equal(seen.judge(state('1-a.y', 9, { '1-a.x': 4 })), 'lost')
  t.equal(seen.judge(state('1-a.y', 9)), 'lost')
  t.equal(new Lane('key').judge(state('1-a.x', 5)), null)
})

t.test('numbers of a lane only rise within the current segment', async (t) => {
  const seen = lane('1-a.x', 5)
  t.ok(seen.advance('1-a.x', 4, 2))
  t.ok(seen.advance('1-a.x', 7, 3))
  t.notOk(seen.advance('1-a.y', 8, 4))
  t.match(seen, { segment: '1-a.x', number: 7, era: 3 })
})

t.test('a sighting in an earlier segment stays open until the server is known to have it', async (t) => {
  const seen = lane('1-a.x', 5)
  seen.enter('1-a.y', 6, 1)
  t.equal(seen.judge(state('1-a.y', 6)), 'lost')
  t.equal(seen.judge(state('1-a.y', 6, { '1-a.x': 5 })), 'kept')
  seen.keepOpen('1-a.x', 4)
  seen.learn(state('1-a.y', 6, { '1-a.x': 4 }))
  t.equal(seen.open.size, 1)
  seen.learn(state('1-a.y', 6, { '1-a.x': 5 }))
  t.equal(seen.open.size, 0)
})

t.test('a sighting in a testimony is accounted for in the next segment', async (t) => {
  const seen = lane('1-a.x', 5)
  seen.testify('m', '1-a.x')
  t.equal(seen.judge(state('1-a.x', 4)), 'lost', 'asked again about the same')
  t.equal(seen.judge(state('2-b.y', 4)), null)
  t.equal(seen.judge(state('1-a.y', 9, { '1-a.x': 4 })), null)
  t.equal(seen.judge(state('1-a.w', 9)), 'lost', 'asked about a state from before')
  seen.keepOpen('1-a.w', 3)
  seen.testify('m', '1-a.x')
  seen.enter('2-b.y', 4, 1)
  t.strictSame([seen.fence, seen.open.size], [null, 0])
})

t.test('the name of a segment contains its generation and its order', async (t) => {
  t.equal(generationOf('12-ab.cd'), '12-ab')
  t.strictSame(['12-ab.cd', ''].map(orderOf), [12, 0])
  t.strictSame(asMarks('a 1 b 2'), new Map([['a', 1], ['b', 2]]))
  t.strictSame(asMarks(''), new Map())
})

t.test('a sighting after the testimony is not accounted for by it', async (t) => {
  for (const [segment, number] of [['1-a.x', 6], ['1-a.w', 3]] as const) {
    const seen = lane('1-a.x', 5)
    seen.testify('m', '1-a.x')
    if (!seen.advance(segment, number, 1)) seen.keepOpen(segment, number)
    t.equal(seen.judge(state('2-b.y', 9, { '1-a.x': 5 })), 'lost')
    seen.enter('2-b.y', 9, 1)
    t.strictSame([...seen.open], [[segment, number]])
  }
})
