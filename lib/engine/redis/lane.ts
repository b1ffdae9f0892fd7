/** Numbers that a server has assigned in a lane. */
export interface LaneNumbers {
  segment: string
  number: number
  /** Earlier segments with their last numbers. */
  ended: ReadonlyMap<string, number>
}

/** State of a lane on a server. */
export interface LaneState extends LaneNumbers {
  /** The server's current replication id (`master_replid`). */
  master: string
  /** Replication id on which the lane was settled; '' if the lane does not exist. */
  run: string
}

export type Verdict = 'kept' | 'lost'

/** Server and segment of an inquiry, and what the node had seen by then. */
export interface Fence { master: string, segment: string, seen: ReadonlyMap<string, number> }

/** A lane as this node has seen it. */
export class Lane {
  readonly key: string
  /** Current segment, '' if nothing was seen, and the highest number in it. */
  segment = ''
  number = 0
  /** Era of `Peers` in which that number was seen. */
  era = 0
  /** Numbers in other segments that the server is not known to have, and whose loss no new generation accounts for. */
  readonly open = new Map<string, number>()
  /** Set once this node has testified: whatever the conclusion, its segment has ended. */
  fence: Fence | null = null
  /** Resolves once the lane is settled. */
  settling: Promise<void> | null = null

  constructor (key: string) {
    this.key = key
  }

  /** Hot: runs for every message and every reply. False: not in the current segment. */
  advance (segment: string, number: number, era: number): boolean {
    if (segment !== this.segment) return false
    if (number > this.number) this.number = number
    this.era = era
    return true
  }

  /** Switches to another segment. */
  enter (segment: string, number: number, era: number): void {
    const open = this.#unaccounted()
    const highest = Math.max(number, this.open.get(segment) ?? 0)
    this.open.clear()
    for (const mark of open) this.open.set(...mark)
    this.open.delete(segment)
    this.fence = null
    Object.assign(this, { segment, number: highest, era })
  }

  /** Records the server and segment about which this node testifies. */
  testify (master: string, segment: string): void {
    this.fence = { master, segment, seen: new Map(this.marks()) }
  }

  /** Yields everything that was seen: the largest number of each segment. */
  * marks (): IterableIterator<[segment: string, number: number]> {
    if (this.segment !== '') yield [this.segment, this.number]
    yield * this.open
  }

  keepOpen (segment: string, number: number): void {
    this.open.set(segment, Math.max(number, this.open.get(segment) ?? 0))
  }

  /** Removes open numbers that the server has. */
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

  /** Returns what was seen since this node's testimony. */
  #unaccounted (): [segment: string, number: number][] {
    const { fence } = this
    return [...this.marks()].filter(([segment, number]) => fence === null || number > (fence.seen.get(segment) ?? -1))
  }
}

/** Returns the generation of a segment, `<order>-<name>.<name>`. */
export function generationOf (segment: string): string {
  return segment.split('.', 1)[0]!
}

/** Returns the order of a segment's generation: higher is later, 0 for none. */
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

/** Returns true if this state is later than the testimony of a node in segment `own` that was asked about segment `asked`. */
function isAfter (state: LaneNumbers, asked: string, own: string): boolean {
  return state.ended.has(asked) || orderOf(state.segment) > orderOf(own)
}

/** Returns true if the server has the write with this number. */
export function has (state: LaneNumbers, segment: string, number: number): boolean {
  return number <= (segment === state.segment ? state.number : state.ended.get(segment) ?? -1)
}
