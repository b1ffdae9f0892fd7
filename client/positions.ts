/** A place in a stream. Apps only pass one on, as the `position` of `getState()`. */
export interface StreamPosition { epoch: string, offset: number }

/** Position of each stream: a new socket continues there; a reloaded page continues before the first message whose listeners had not finished. */
export class Positions {
  readonly #positions = new Map<string, StreamPosition>()
  /** Offsets of the messages whose listeners are at work, in order, by stream. */
  readonly #pending = new Map<string, Set<number>>()
  readonly #changed: () => void

  /** @param changed called when `snapshot` may have changed */
  constructor (changed: () => void) {
    this.#changed = changed
  }

  get (topic: string): StreamPosition | undefined {
    return this.#positions.get(topic)
  }

  /** Moves to the position of a message, or to one that the server names. Returns false if the page is there already, or further. @throws TypeError for what is no position */
  reach (topic: string, epoch: string, offset: number): boolean {
    if (typeof topic + typeof epoch + typeof offset !== 'stringstringnumber') throw new TypeError(topic)
    const had = this.#positions.get(topic)
    if (had?.epoch !== epoch) this.#pending.delete(topic)
    else if (offset <= had.offset) return false
    this.#positions.set(topic, { epoch, offset })
    this.#changed()
    return true
  }

  /** Marks the latest message of a stream as in work until the promise settles. */
  holdFor (topic: string, work: Promise<unknown>): void {
    const { offset } = this.#positions.get(topic)!
    const pending = this.#pending.get(topic) ?? new Set()
    this.#pending.set(topic, pending.add(offset))
    work.then(() => {
      pending.delete(offset)
      this.#changed()
    })
  }

  /** @param topic default: all */
  forget (topic?: string): void {
    for (const map of [this.#positions, this.#pending]) topic ? map.delete(topic) : map.clear()
    this.#changed()
  }

  /** Positions of the streams that every socket is in; those of channels are sent with `subscribe`. */
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
