import { localClock } from '../clock.js'
import type { Revocable, Revocation, RevocationStore } from '../engine.js'
import { RevocationList } from '../revocation-list.js'

/** Revocations of one node. They are lost when the process ends: use short-lived tokens or Redis if that matters. */
export class MemoryRevocationStore implements RevocationStore {
  readonly #list = new RevocationList(localClock)
  readonly #max: number

  /** @param max maximum number kept */
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

  /** Never calls the listener: there is no shared store. */
  onLearned (): void {}
}
