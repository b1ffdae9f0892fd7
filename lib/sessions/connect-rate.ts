import { networkOf } from '../socket/network.js'
import type { Limits } from '../telemetry/limits.js'

const WINDOW_MS = 60_000
/** Maximum number of addresses tracked; the oldest is evicted. */
const MAX_ADDRESSES = 100_000

/** Limits the upgrade requests of an address per minute; the minute begins with the first of them. */
export class ConnectRate {
  readonly #max: number
  readonly #limit: Limits['connections_per_ip']
  // Ordered by start, so expired windows are always in front and no timer is needed.
  readonly #windows = new Map<string, { startedAt: number, count: number }>()

  /** @param max upgrade requests per minute; 0: unlimited */
  constructor (max: number, limit: Limits['connections_per_ip']) {
    this.#max = max
    this.#limit = limit
  }

  /** @throws WSM_ERR_RATE_LIMITED with the time to wait */
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
