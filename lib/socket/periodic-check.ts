import type { Registry } from './registry.js'

/** Runs a check of a node's sockets at an interval, while there are any: without them a timer would only keep the process alive. */
export class PeriodicCheck {
  readonly #registry: Registry
  readonly #everyMs: number
  readonly #check: () => void
  #isStarted = false
  #timer: NodeJS.Timeout | null = null

  constructor (registry: Registry, everyMs: number, check: () => void) {
    this.#registry = registry
    this.#everyMs = everyMs
    this.#check = check
    registry.onOccupied(() => this.#update())
  }

  start (): void {
    this.#isStarted = true
    this.#update()
  }

  /** Idempotent. */
  stop (): void {
    this.#isStarted = false
    this.#update()
  }

  #update (): void {
    const isNeeded = this.#isStarted && this.#registry.isOccupied
    if (isNeeded === (this.#timer !== null)) return
    clearInterval(this.#timer!)
    this.#timer = isNeeded ? setInterval(this.#check, this.#everyMs) : null
  }
}
