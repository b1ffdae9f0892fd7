import { closeCodes } from '../close-codes.js'
import type { Registry } from './registry.js'
import type { Upgrades } from './upgrades.js'

/** How long destroyed sockets may take to report their end. */
const FINAL_MS = 1_000

/** Ends every socket of a node: first with a close frame, and after a bounded time without one. */
export class Shutdown {
  readonly #registry: Registry
  readonly #upgrades: Upgrades
  readonly #timeoutMs: number
  #done: Promise<void> | null = null

  /** @param timeoutMs how long clients may take to answer the close frame */
  constructor (registry: Registry, upgrades: Upgrades, timeoutMs: number) {
    this.#registry = registry
    this.#upgrades = upgrades
    this.#timeoutMs = timeoutMs
  }

  get isClosing (): boolean {
    return this.#done !== null
  }

  /**
   * Idempotent: every call gets the one promise.
   *
   * @param prepare what must still be said while the sockets are open; no new socket is taken any more
   */
  close (prepare: () => Promise<void>): Promise<void> {
    this.#done ??= this.#close(prepare)
    return this.#done
  }

  async #close (prepare: () => Promise<void>): Promise<void> {
    // Not in the same turn: isClosing must be true before anything is prepared.
    await null
    this.#upgrades.refuse()
    await prepare()
    for (const connection of this.#registry.all()) connection.close(closeCodes.goingAway, 'The server is closing')
    await this.#empty(this.#timeoutMs)
    for (const connection of this.#registry.all()) connection.terminate()
    this.#upgrades.destroy()
    await this.#empty(FINAL_MS)
  }

  async #empty (withinMs: number): Promise<void> {
    let timer
    const late = new Promise<void>((resolve) => { timer = setTimeout(resolve, withinMs) })
    await Promise.race([this.#registry.empty(), late])
    clearTimeout(timer)
  }
}
