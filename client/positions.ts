/** A place in a stream. Apps never see one, except where `getState()` hands one on. */
export interface StreamPosition { epoch: string, offset: number }

interface Place extends StreamPosition {
  /** Offsets of the messages whose listeners are at work. In order. */
  pending: Set<number>
}

/** What the page has of each stream: where it goes on from after a cut, and, without what its listeners are still at work on, after a reload. */
export class Positions {
  readonly #places = new Map<string, Place>()
  readonly #changed: () => void

  /** @param changed called when what a reload begins from may have changed */
  constructor (changed: () => void) {
    this.#changed = changed
  }

  get (topic: string): StreamPosition | undefined {
    const place = this.#places.get(topic)
    return place && { epoch: place.epoch, offset: place.offset }
  }

  /** Takes a place that the server names, or that of a message. Returns false where the page is further already: nothing goes back. */
  take (topic: string, epoch: string, offset: number): boolean {
    const place = this.#places.get(topic)
    if (place?.epoch !== epoch) this.#places.set(topic, { epoch, offset, pending: new Set() })
    else if (offset > place.offset) place.offset = offset
    else return false
    this.#changed()
    return true
  }

  /** The listeners of the message that was taken last are at work until the promise settles. */
  wait (topic: string, work: Promise<unknown>): void {
    const { offset, pending } = this.#places.get(topic)!
    pending.add(offset)
    work.then(() => {
      pending.delete(offset)
      this.#changed()
    })
  }

  forget (isOver: (topic: string) => boolean): void {
    for (const topic of this.#places.keys()) if (isOver(topic)) this.#places.delete(topic)
    this.#changed()
  }

  /** The streams that every socket is in; channels are asked for one by one. */
  get common (): Record<string, StreamPosition> {
    return Object.fromEntries([...this.#places.keys()].filter((topic) => !topic.startsWith('channel:')).map((topic) => [topic, this.get(topic)!]))
  }

  get snapshot (): [string, StreamPosition][] {
    return [...this.#places].map(([topic, { epoch, offset, pending: [first = offset + 1] }]) => [topic, { epoch, offset: first - 1 }])
  }

  restore (positions: [string, StreamPosition][]): void {
    for (const [topic, { epoch, offset }] of positions) this.take(topic, epoch, offset)
  }
}
