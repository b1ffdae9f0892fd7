import type { Fail } from './emitter.js'
import type { StreamPosition } from './positions.js'
import { onPage } from './wake.js'

/** The part of `Storage` that is used; `sessionStorage` is one. */
export interface ClientStorage {
  getItem (key: string): string | null
  setItem (key: string, value: string): void
  removeItem (key: string): void
}

/** The data that outlive a reload. */
export type Remembered = [
  user: string | null,
  positions: [topic: string, position: StreamPosition][],
  /** Messages that were handled and acknowledged, with the time. */
  handled: [messageId: string, at: number][]
]

const SAVE_AFTER_MS = 500

/** Keeps positions and acknowledgements over a reload. A failure of the storage is reported once, and affects nothing else. */
export class Memory {
  readonly #storage: ClientStorage
  readonly #key: string
  readonly #snapshot: () => Remembered
  readonly #fail: Fail
  #isDue = false
  #hasFailed = false

  constructor (storage: ClientStorage, key: string, snapshot: () => Remembered, fail: Fail) {
    this.#storage = storage
    this.#key = `ws-manager:${key}`
    this.#snapshot = snapshot
    this.#fail = fail
    // Browsers may end a hidden page without a further event.
    onPage(['pagehide', 'visibilitychange'], () => this.#save())
  }

  /** Calls `restore` with what is stored, if there is anything. */
  read (restore: (remembered: Remembered) => void): void {
    this.#try(() => {
      const stored = this.#storage.getItem(this.#key)
      if (stored) restore(JSON.parse(stored))
    })
  }

  /** Saves within 500 ms; several calls make one write. */
  saveSoon (): void {
    if (this.#isDue) return
    this.#isDue = true
    setTimeout(() => this.#save(), SAVE_AFTER_MS)
  }

  clear (): void {
    this.#isDue = false
    this.#try(() => this.#storage.removeItem(this.#key))
  }

  #save (): void {
    if (!this.#isDue) return
    this.#isDue = false
    this.#try(() => this.#storage.setItem(this.#key, JSON.stringify(this.#snapshot())))
  }

  #try (run: () => void): void {
    try {
      run()
    } catch (error) {
      if (!this.#hasFailed) this.#fail(error, 'storage')
      this.#hasFailed = true
    }
  }
}
