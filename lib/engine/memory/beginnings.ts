import { newEpoch } from './stream.js'

/**
 * Where streams begin that nobody has published to: in one epoch, so that nothing is kept of each. A forgotten stream may
 * not begin there again, since a position from before its first message would seem to miss nothing: its name is
 * kept. When there are too many names, all streams begin in a new epoch.
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
