/** A place in a stream. Apps never see one, except where `getState()` hands one on. */
export interface StreamPosition { epoch: string, offset: number }

/** What the page has of each stream: where it goes on from after a cut, and, without what its listeners are still at work on, after a reload. */
export class Positions {
  readonly #positions = new Map<string, StreamPosition>()
  /** Offsets of the messages whose listeners are at work, by stream. In order. */
  readonly #pending = new Map<string, Set<number>>()
  readonly #changed: () => void

  /** @param changed called when what a reload begins from may have changed */
  constructor (changed: () => void) {
    this.#changed = changed
  }

  get (topic: string): StreamPosition | undefined {
    return this.#positions.get(topic)
  }

  /** Takes a position that the server names, or that of a message. Returns false where the page is further already: nothing goes back. */
  reach (topic: string, epoch: string, offset: number): boolean {
    const had = this.#positions.get(topic)
    if (had?.epoch !== epoch) this.#pending.delete(topic)
    else if (offset <= had.offset) return false
    this.#positions.set(topic, { epoch, offset })
    this.#changed()
    return true
  }

  /** The listeners of the message that was taken last are at work until the promise settles. */
  holdFor (topic: string, work: Promise<unknown>): void {
    const { offset } = this.#positions.get(topic)!
    const pending = this.#pending.get(topic) ?? new Set()
    this.#pending.set(topic, pending.add(offset))
    work.then(() => {
      pending.delete(offset)
      this.#changed()
    })
  }

  forget (isOver: (topic: string) => boolean): void {
    for (const topic of this.#positions.keys()) {
      if (!isOver(topic)) continue
      this.#positions.delete(topic)
      this.#pending.delete(topic)
    }
    this.#changed()
  }

  /** The streams that every socket is in; channels are asked for one by one. */
  get common (): Record<string, StreamPosition> {
    return Object.fromEntries([...this.#positions].filter(([topic]) => !topic.startsWith('channel:')))
  }

  get snapshot (): [string, StreamPosition][] {
    return [...this.#positions].map(([topic, { epoch, offset }]) => {
      const [first = offset + 1] = this.#pending.get(topic) ?? []
      return [topic, { epoch, offset: first - 1 }]
    })
  }

  recall (positions: [string, StreamPosition][]): void {
    for (const [topic, { epoch, offset }] of positions) this.reach(topic, epoch, offset)
  }
}
