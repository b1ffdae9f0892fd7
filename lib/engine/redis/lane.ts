/** The numbers that a server has given out in a lane. */
export interface LaneNumbers {
  segment: string
  number: number
  /** Earlier segments with their last numbers. */
  ended: ReadonlyMap<string, number>
}

/** A lane as it is on a server. */
export interface LaneState extends LaneNumbers {
  /** The server's current replication id (`master_replid`). */
  master: string
  /** The replication id on which the lane was settled; '' where the lane does not exist. */
  run: string
}

export type Verdict = 'kept' | 'lost'

/** The server and segment that a node was asked about, and what it had seen then. */
export interface Fence { master: string, segment: string, seen: ReadonlyMap<string, number> }

/** A lane as far as this node has seen it. */
export class Lane {
  readonly key: string
  /** The current segment, '' where nothing was seen, and the highest number in it. */
  segment = ''
  number = 0
  /** The era of `Peers` in which that number was seen. */
  era = 0
  /** Numbers in other segments that this server has not been found to have, and that no new generation accounts for. */
  readonly open = new Map<string, number>()
  /** Set when this node has testified: whatever follows from that, its segment is over. */
  fence: Fence | null = null
  /** Resolves when the lane is settled. */
  settling: Promise<void> | null = null

  constructor (key: string) {
    this.key = key
  }

  /** Hot: runs for every message and every answer. False: not in the current segment. */
  advance (segment: string, number: number, era: number): boolean {
    if (segment !== this.segment) return false
    if (number > this.number) this.number = number
    this.era = era
    return true
  }

  /** Makes another segment the current one. */
  enter (segment: string, number: number, era: number): void {
    const open = this.#unaccounted()
    const highest = Math.max(number, this.open.get(segment) ?? 0)
    this.open.clear()
    for (const mark of open) this.open.set(...mark)
    this.open.delete(segment)
    this.fence = null
    Object.assign(this, { segment, number: highest, era })
  }

  /** Notes of which server it testifies, and what. */
  testify (master: string, segment: string): void {
    this.fence = { master, segment, seen: new Map(this.marks()) }
  }

  /** Everything that was seen: by segment, the largest number. */
  * marks (): IterableIterator<[segment: string, number: number]> {
    if (this.segment !== '') yield [this.segment, this.number]
    yield * this.open
  }

  keepOpen (segment: string, number: number): void {
    this.open.set(segment, Math.max(number, this.open.get(segment) ?? 0))
  }

  /** Forgets open numbers that the server has. */
  learn (state: LaneNumbers): void {
    for (const [segment, number] of this.open) if (has(state, segment, number)) this.open.delete(segment)
  }

  /** Compares the server with everything that was seen; null: nothing was seen, or its loss is accounted for. */
  judge (state: LaneNumbers): Verdict | null {
    if (this.segment === '') return null
    if ([...this.marks()].every((mark) => has(state, ...mark))) return 'kept'
    const isAccountedFor = this.fence !== null && isAfter(state, this.fence.segment, this.segment) && this.#unaccounted().length === 0
    return isAccountedFor ? null : 'lost'
  }

  /** The sightings since the testimony of this node. */
  #unaccounted (): [segment: string, number: number][] {
    const { fence } = this
    return [...this.marks()].filter(([segment, number]) => fence === null || number > (fence.seen.get(segment) ?? -1))
  }
}

/** The generation of a segment, which is `<order>-<name>.<name>`. */
export function generationOf (segment: string): string {
  return segment.split('.', 1)[0]!
}

/** The order of a segment's generation: higher is later, 0 for none. */
export function orderOf (segment: string): number {
  return Number(segment.split('-', 1)[0])
}

/** Parses `<segment> <number> …`. */
export function asMarks (text: string): Map<string, number> {
  const parts = text === '' ? [] : text.split(' ')
  const marks = new Map<string, number>()
  for (let at = 0; at < parts.length; at += 2) marks.set(parts[at]!, Number(parts[at + 1]))
  return marks
}

/** Tells whether this state is later than the testimony of a node that was in its `own` segment and was `asked` about another one. */
function isAfter (state: LaneNumbers, asked: string, own: string): boolean {
  return state.ended.has(asked) || orderOf(state.segment) > orderOf(own)
}

/** Tells whether the server has the write with this number. */
export function has (state: LaneNumbers, segment: string, number: number): boolean {
  return number <= (segment === state.segment ? state.number : state.ended.get(segment) ?? -1)
}
