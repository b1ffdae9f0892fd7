import { randomInt } from 'node:crypto'
import { closeCodes } from '../close-codes.js'
import { encode } from '../protocol/encode.js'
import type { Registry } from '../connection/registry.js'
import type { UnfinishedRequests } from './unfinished-requests.js'
import type { Upgrades } from './upgrades.js'

/** How long destroyed sockets may take to report their end. */
const FINAL_MS = 1_000

export interface ShutdownSettings {
  /** Time allowed for final messages during shutdown. */
  drainMs: number
  /** Over how long the return of the clients is spread. */
  windowMs: number
  /** Whether other nodes go on. */
  isOneOfMany: boolean
  /** How long clients may take to answer the close frame. */
  closeTimeoutMs: number
}

/** Ends every socket of a node: first with a close frame, and after a bounded time without one. */
export class Shutdown {
  readonly #registry: Registry
  readonly #upgrades: Upgrades
  readonly #requests: UnfinishedRequests
  readonly #settings: ShutdownSettings
  #done: Promise<void> | null = null

  constructor (registry: Registry, upgrades: Upgrades, requests: UnfinishedRequests, settings: ShutdownSettings) {
    this.#registry = registry
    this.#upgrades = upgrades
    this.#requests = requests
    this.#settings = settings
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
    const { drainMs, closeTimeoutMs } = this.#settings
    await within(drainMs, prepare())
    this.#sendAway()
    await within(closeTimeoutMs, this.#registry.empty())
    for (const connection of this.#registry.all()) connection.terminate()
    this.#upgrades.destroy()
    this.#requests.destroy()
    await within(FINAL_MS, this.#registry.empty())
  }

  /** Closes all sockets at once, each told a random delay, so that the clients do not all reconnect at once. */
  #sendAway (): void {
    const { windowMs, isOneOfMany } = this.#settings
    const [code, reason] = isOneOfMany ? [closeCodes.serviceRestart, 'This node is closing'] : [closeCodes.goingAway, 'The server is closing']
    for (const connection of this.#registry.all()) {
      if (connection.isAdmitted) connection.send(encode({ type: 'reconnect', after_ms: randomInt(windowMs + 1) }))
      connection.close(code, reason)
    }
  }
}

/** Resolves when the work is done, or after that time; rejects as the work does. */
async function within (ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => { timer = setTimeout(resolve, ms) })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
