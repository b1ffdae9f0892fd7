import { isIPv6 } from 'node:net'
import { RateLimitedError } from '../errors.js'

const WINDOW_MS = 60_000
/** Of how many addresses is kept count; the oldest is forgotten for a new one. */
const MAX_ADDRESSES = 100_000

/** Counts the upgrade requests of every address, in minutes that begin with its first. */
export class ConnectRate {
  readonly #max: number
  // In the order of their beginnings, so that what is over is always in front: no timer is needed.
  readonly #windows = new Map<string, { startedAt: number, count: number }>()

  /** @param max how many a minute; 0: any number */
  constructor (max: number) {
    this.#max = max
  }

  /** @throws WSM_ERR_RATE_LIMITED with when to come back */
  hit (ip: string | undefined, now = performance.now()): void {
    // A socket of a Unix domain has no address: whoever is behind it, they are not one client.
    if (this.#max === 0 || ip === undefined || ip === '') return
    for (const [old, { startedAt }] of this.#windows) {
      if (now - startedAt < WINDOW_MS && this.#windows.size < MAX_ADDRESSES) break
      this.#windows.delete(old)
    }
    const key = networkOf(ip)
    const window = this.#windows.get(key) ?? { startedAt: now, count: 0 }
    if (window.count === 0) this.#windows.set(key, window)
    if (++window.count <= this.#max) return
    throw Object.assign(new RateLimitedError('There are too many connections from this address'), {
      retryAfterS: Math.ceil((window.startedAt + WINDOW_MS - now) / 1000)
    })
  }
}

/** Whoever has one address of IPv6 has the 2^64 beside it, too (RFC 6177). */
function networkOf (ip: string): string {
  if (!isIPv6(ip) || ip.includes('.')) return ip
  const [left, right] = ip.split('::') as [string, string?]
  const groups = left.split(':')
  if (right !== undefined) while (groups.length + right.split(':').length < 8) groups.push('0')
  return groups.slice(0, 4).join(':')
}
