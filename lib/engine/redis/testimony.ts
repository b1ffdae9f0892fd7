import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Lane, LaneState, Verdict } from './lane.js'
import type { Peers } from './peers.js'

/** An inquiry about lanes: has any node seen more than this server has? */
const Inquiry = Type.Object({
  lanes: Type.Array(Type.Object({
    key: Type.String(), master: Type.String(), segment: Type.String(), number: Type.Number(), ended: Type.Array(Type.Tuple([Type.String(), Type.Number()]))
  }))
})
type Inquiry = Static<typeof Inquiry>

/** A node's reply, in the order of the lanes. */
const Testimony = Type.Object({
  lanes: Type.Array(Type.Object({
    verdict: Type.Union([Type.Literal('kept'), Type.Literal('lost'), Type.Null()]),
    /** Dead nodes whose sightings are covered by later ones of this node, and those whose sightings are not. */
    covered: Type.Array(Type.String()),
    uncovered: Type.Array(Type.String())
  })),
  /** Nodes known to this one. */
  peers: Type.Array(Type.String())
})
export type Testimony = Static<typeof Testimony>

/** Sightings of a leaving node. */
const Farewell = Type.Object({
  from: Type.String(),
  lanes: Type.Array(Type.Object({ key: Type.String(), segment: Type.String(), number: Type.Number() })),
  /** Nodes that died recently, whose sightings it may not have. */
  dead: Type.Array(Type.String()),
  isLast: Type.Boolean()
})
export type Farewell = Static<typeof Farewell>

const checkFarewell = TypeCompiler.Compile(Farewell)
const checkInquiry = TypeCompiler.Compile(Inquiry)
const checkTestimony = TypeCompiler.Compile(Testimony)

export function isInquiry (data: unknown): data is Inquiry {
  return checkInquiry.Check(data)
}

export function isFarewell (data: unknown): data is Farewell {
  return checkFarewell.Check(data)
}

export function isTestimony (data: unknown): data is Testimony {
  return checkTestimony.Check(data)
}

export function inquire (lanes: readonly { lane: Lane, state: LaneState }[]): Inquiry {
  return { lanes: lanes.map(({ lane: { key }, state: { master, segment, number, ended } }) => ({ key, master, segment, number, ended: [...ended] })) }
}

/**
 * Replies with what this node has seen, and fences its segments: an old master that does not know of a promotion may continue
 * them, but this node accepts nothing more from them.
 *
 * @param laneOf finds a lane that this node has seen
 */
export function testify ({ lanes }: Inquiry, laneOf: (key: string) => Lane, peers: Peers): Testimony {
  return {
    lanes: lanes.map(({ key, master, segment, number, ended }) => {
      const lane = laneOf(key)
      const verdict = lane.judge({ segment, number, ended: new Map(ended) })
      lane.testify(master, segment)
      return { verdict, ...peers.gone(lane.era) }
    }),
    peers: [...peers.alive]
  }
}

export type Conclusion = Verdict | 'unseen'

/**
 * Concludes from all testimonies about one lane whether the server has every write that was seen. `unseen`: no node is left that
 * has seen anything, so it cannot be known. null: a node has not answered yet.
 *
 * @param testimonies by node, including the asking one
 */
export function conclude (testimonies: ReadonlyMap<string, Testimony>, index: number): Conclusion | null {
  const said = [...testimonies.values()].map(({ lanes }) => lanes[index]!)
  for (const { peers } of testimonies.values()) if (peers.some((peer) => !testimonies.has(peer))) return null
  if (said.some(({ verdict }) => verdict === 'lost')) return 'lost'
  const witnesses = said.filter(({ verdict }) => verdict === 'kept')
  if (witnesses.length === 0) return 'unseen'
  const covered = new Set(witnesses.flatMap(({ covered }) => covered))
  return said.every(({ uncovered }) => uncovered.every((id) => covered.has(id) || testimonies.has(id))) ? 'kept' : 'lost'
}
