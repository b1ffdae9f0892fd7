/** A place in a stream. Apps never see one, except where `getState()` hands one on. */
export interface StreamPosition { epoch: string, offset: number }

/**
 * What the page has of each stream: `received` is told to the server on return and tells doubles; `handled` is up to where all listeners
 * have returned, which is what a reload may begin from.
 */
export class Positions {
  readonly #received = new Map<string, StreamPosition>()
  readonly #handled = new Map<string, StreamPosition>()
  /** The last of the deliveries of a stream that are not handled yet. */
  readonly #pending = new Map<string, Promise<void>>()
  readonly #changed: () => void

  /** @param changed called when `handled` has changed */
  constructor (changed: () => void) {
    this.#changed = changed
  }

  get (topic: string): StreamPosition | undefined {
    return this.#received.get(topic)
  }

  /** Where the server says that the stream goes on from. Never back: what the page has, it has. */
  set (topic: string, epoch: string, offset: number): void {
    if (this.take(topic, epoch, offset)) this.#after(topic, true)
  }

  /** Takes a message's place. Returns false for one that the page has already. */
  take (topic: string, epoch: string, offset: number): boolean {
    const had = this.#received.get(topic)
    if (had !== undefined && had.epoch === epoch && offset <= had.offset) return false
    this.#received.set(topic, { epoch, offset })
    return true
  }

  /** The latest message of the stream was given to its listeners. */
  given (topic: string, isHandled: unknown): void {
    this.#after(topic, isHandled)
  }

  forget (topic: string): void {
    this.#received.delete(topic)
    this.#handled.delete(topic)
    this.#pending.delete(topic)
    this.#changed()
  }

  /** The topics that fulfil a condition. */
  of (isWanted: (topic: string) => boolean): Record<string, StreamPosition> {
    return Object.fromEntries([...this.#received].filter(([topic]) => isWanted(topic)))
  }

  get handled (): [string, StreamPosition][] {
    return [...this.#handled]
  }

  restore (positions: [string, StreamPosition][]): void {
    for (const [topic, position] of positions) {
      this.#received.set(topic, position)
      this.#handled.set(topic, position)
    }
  }

  /** In order: a position counts only when all messages before it are handled. */
  #after (topic: string, isHandled: unknown): void {
    const position = this.#received.get(topic)!
    const before = this.#pending.get(topic)
    if (before === undefined && !(isHandled instanceof Promise)) {
      this.#handled.set(topic, position)
      return this.#changed()
    }
    const handled: Promise<void> = Promise.all([before, isHandled]).then(() => {
      if (this.#pending.get(topic) === handled) this.#pending.delete(topic)
      // It may have been forgotten meanwhile.
      if (this.#received.has(topic)) this.#handled.set(topic, position)
      this.#changed()
    })
    this.#pending.set(topic, handled)
  }
}
