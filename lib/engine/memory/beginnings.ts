import { newEpoch } from './stream.js'

/**
 * The epoch shared by all streams without publications, so that nothing is stored per stream. A forgotten stream must not begin
 * in it again, because a position from before its first message would appear up to date; so its name is remembered. With too many
 * names, a new epoch begins for all streams.
 */
export class Beginnings {
  readonly #forgotten = new Set<string>()
  readonly #maxForgotten: number
  #epoch = newEpoch()

  constructor (maxForgotten: number) {
    this.#maxForgotten = maxForgotten
  }

  /** Returns the epoch in which the topic begins: its own if the stream was forgotten. */
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
