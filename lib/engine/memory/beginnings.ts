import { newEpoch } from './stream.js'

/**
 * The epoch shared by all streams that nobody has published to, so that nothing is stored per stream. A stream that was forgotten
 * must not begin in it again, since a position from before its first message would seem up to date; so its name is kept. If
 * there are too many names, a new epoch begins for all.
 */
export class Beginnings {
  readonly #forgotten = new Set<string>()
  readonly #maxForgotten: number
  #epoch = newEpoch()

  constructor (maxForgotten: number) {
    this.#maxForgotten = maxForgotten
  }

  /** The epoch in which the topic begins; one of its own where it was forgotten. */
  epochOf (topic: string): string {
    return this.#forgotten.has(topic) ? newEpoch() : this.#epoch
  }

  forget (topic: string): void {
    this.#forgotten.add(topic)
    if (this.#forgotten.size <= this.#maxForgotten) return
    this.#epoch = newEpoch()
    this.#forgotten.clear()
  }
}
