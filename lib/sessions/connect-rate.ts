import { networkOf } from '../socket/network.js'
import type { Limits } from '../telemetry/limits.js'

const WINDOW_MS = 60_000
/** Maximum number of addresses tracked; the oldest is evicted. */
const MAX_ADDRESSES = 100_000

/** Counts the upgrade requests of every address, in minutes that begin with its first. */
export class ConnectRate {
  readonly #max: number
  readonly #limit: Limits['connections_per_ip']
  // In the order of their beginnings, so that what is over is always in front: no timer is needed.
  readonly #windows = new Map<string, { startedAt: number, count: number }>()

  /** @param max how many a minute; 0: any number */
  constructor (max: number, limit: Limits['connections_per_ip']) {
    this.#max = max
    this.#limit = limit
  }

  /** @throws WSM_ERR_RATE_LIMITED with when to come back */
  hit (ip: string | undefined, now = performance.now()): void {
    const key = networkOf(ip)
    if (this.#max === 0 || key === null) return
    for (const [old, { startedAt }] of this.#windows) {
      if (now - startedAt < WINDOW_MS && this.#windows.size < MAX_ADDRESSES) break
      this.#windows.delete(old)
    }
    const window = this.#windows.get(key) ?? { startedAt: now, count: 0 }
    if (window.count === 0) this.#windows.set(key, window)
    if (++window.count <= this.#max) return
    throw this.#limit.refuse(window.startedAt + WINDOW_MS - now)
  }
}
