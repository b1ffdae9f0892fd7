/** A place in a lane: a node has seen that everything up to it was done. */
export interface Mark { segment: string, number: number }

/** A lane as it is on a server. */
export interface LaneState {
  /** The id under which the server is master. */
  master: string
  /** The id under which the server was master that the lane was settled on; '' where it is not there. */
  run: string
  segment: string
  number: number
  /** The last numbers of earlier segments. */
  ended: ReadonlyMap<string, number>
}

export type Verdict = 'kept' | 'lost'

/** What a node has seen of a lane. */
export class Lane {
  readonly key: string
  /** The segment that goes on, '' where nothing was seen, and the largest number in it. */
  segment = ''
  number = 0
  /** In which era of `Peers` that was. */
  era = 0
  /** Numbers in other segments that are not known to be there still, nor accounted for. */
  readonly open = new Map<string, number>()
  /** Set when this node has said what it has seen: whatever that leads to, its segment is over. Of what it was asked. */
  fence: Pick<LaneState, 'master' | 'segment'> | null = null
  /** Settles when it is known again how the lane goes on. */
  settling: Promise<void> | null = null

  constructor (key: string) {
    this.key = key
  }

  /** Hot: runs for every message and every answer. False: not in the segment that goes on. */
  advance (segment: string, number: number, era: number): boolean {
    if (segment !== this.segment) return false
    if (number > this.number) this.number = number
    this.era = era
    return true
  }

  /** Goes on in another segment. */
  enter (segment: string, number: number, era: number): void {
    if (this.segment !== '') {
      if (this.fence === null) this.keepOpen(this.segment, this.number)
      else this.open.clear()
    }
    this.fence = null
    Object.assign(this, { segment, number, era })
  }

  keepOpen (segment: string, number: number): void {
    this.open.set(segment, Math.max(number, this.open.get(segment) ?? 0))
  }

  /** What is there needs no further look. */
  learn (state: LaneState): void {
    for (const [segment, number] of this.open) if (has(state, segment, number)) this.open.delete(segment)
  }

  /** Whether what was seen is still there; null: nothing was seen, or what was lost of it is accounted for. */
  judge (state: LaneState): Verdict | null {
    if (this.segment === '') return null
    const isAll = has(state, this.segment, this.number) && [...this.open].every((mark) => has(state, ...mark))
    if (isAll) return 'kept'
    return this.fence !== null && isAfter(state, this.fence.segment, this.segment) ? null : 'lost'
  }
}

/** Of a segment, `<order>-<name>.<name>`. */
export function generationOf (segment: string): string {
  return segment.split('.', 1)[0]!
}

/** A later generation has a higher number; 0 for none. */
export function orderOf (segment: string): number {
  return Number(segment.split('-', 1)[0])
}

/** Of `<segment> <number> …`. */
export function asMarks (text: string): Map<string, number> {
  const parts = text === '' ? [] : text.split(' ')
  const marks = new Map<string, number>()
  for (let at = 0; at < parts.length; at += 2) marks.set(parts[at]!, Number(parts[at + 1]))
  return marks
}

/** Whether what a node has said, that was asked about a segment and was in another one, is settled in that state; it may also be earlier. */
function isAfter (state: LaneState, asked: string, own: string): boolean {
  return state.ended.has(asked) || orderOf(state.segment) > orderOf(own)
}

/** Whether what has this number is there. */
export function has (state: LaneState, segment: string, number: number): boolean {
  return number <= (segment === state.segment ? state.number : state.ended.get(segment) ?? -1)
}
