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
  /** The last numbers of earlier segments of this generation. */
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
  /** Segments that are known to be over, and their last numbers. */
  ended: ReadonlyMap<string, number> = new Map()
  /** Numbers in segments of the same generation that are not known to be over at that or later. */
  readonly open = new Map<string, number>()
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

  /** Goes on in another segment. Returns whether in another generation. */
  enter (segment: string, number: number, era: number): boolean {
    const isNew = this.segment !== '' && generationOf(segment) !== generationOf(this.segment)
    if (isNew) this.open.clear()
    else if (this.segment !== '') this.keepOpen(this)
    Object.assign(this, { segment, number, era })
    return isNew
  }

  /** Notes what was seen in a segment of this generation that does not go on. */
  keepOpen ({ segment, number }: Mark): void {
    if ((this.ended.get(segment) ?? -1) >= number) return
    this.open.set(segment, Math.max(number, this.open.get(segment) ?? 0))
  }

  /** Takes over which segments are over. */
  learn (state: LaneState): void {
    if (generationOf(state.segment) !== generationOf(this.segment)) return
    this.ended = state.ended
    for (const [segment, number] of this.open) if (isKept({ segment, number }, state)) this.open.delete(segment)
  }

  /** Whether what was seen is still there; null: nothing was seen in this generation. */
  judge (state: LaneState): Verdict | null {
    if (this.segment === '') return null
    if (orderOf(this.segment) < orderOf(state.segment)) return null
    const marks = [{ segment: this.segment, number: this.number }, ...[...this.open].map(([segment, number]) => ({ segment, number }))]
    return marks.every((mark) => isKept(mark, state)) ? 'kept' : 'lost'
  }
}

/** Of a segment, `<number>-<name>.<name>`. */
export function generationOf (segment: string): string {
  return segment.split('.', 1)[0]!
}

/** A later generation has a higher number, none at all 0. */
export function orderOf (segment: string): number {
  return Number(segment.split('-', 1)[0])
}

function isKept ({ segment, number }: Mark, state: LaneState): boolean {
  return number <= (segment === state.segment ? state.number : state.ended.get(segment) ?? -1)
}

/** Of `<segment> <number> …`. */
export function asMarks (text: string): Map<string, number> {
  const parts = text === '' ? [] : text.split(' ')
  const marks = new Map<string, number>()
  for (let at = 0; at < parts.length; at += 2) marks.set(parts[at]!, Number(parts[at + 1]))
  return marks
}
