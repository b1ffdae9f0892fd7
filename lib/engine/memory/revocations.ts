import { localClock } from '../clock.js'
import type { Revocable, Revocation, RevocationStore } from '../engine.js'
import { RevocationList } from '../revocation-list.js'

/** The revocations of one node. They are gone with its process: where that matters, keep tokens short-lived, or use Redis. */
export class MemoryRevocationStore implements RevocationStore {
  readonly #list = new RevocationList(localClock)
  readonly #max: number

  /** @param max how many are kept */
  constructor (max: number) {
    this.#max = max
  }

  async add (revocation: Revocation): Promise<boolean> {
    if (!this.#list.knows(revocation) && this.#list.size >= this.#max) {
      this.#list.sweep()
      if (this.#list.size >= this.#max) return false
    }
    this.#list.add(revocation)
    return true
  }

  learn (revocation: Revocation): void {
    this.#list.add(revocation)
  }

  isRevoked (user: Revocable): boolean {
    return this.#list.has(user)
  }

  async current (): Promise<void> {}

  /** Never calls: there is nothing to read. */
  onLearned (): void {}
}
