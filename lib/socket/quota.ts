import type { Connection } from './connection.js'
import { networkOf } from './network.js'

/** Bound of a quota that is reached: the total, or that of one network. */
export type ReachedBound = 'all' | 'network'

/**
 * Counts open sockets of one kind, in total and per network. Sockets that their client is closing are only removed when the quota
 * is full, so a check is cheap until then.
 */
export class Quota {
  readonly #max: number
  readonly #maxPerNetwork: number
  readonly #members = new Set<Connection>()
  /** Numbers of members; null: no network. */
  readonly #byNetwork = new Map<string | null, number>()

  constructor (max: number, maxPerNetwork = Infinity) {
    this.#max = max
    this.#maxPerNetwork = maxPerNetwork
  }

  /** Returns the bound that keeps out another socket of that address; null: there is room. */
  reached (ip: string): ReachedBound | null {
    const network = networkOf(ip)
    const reached = this.#reached(network)
    if (reached === null) return null
    for (const connection of this.#members) {
      if (connection.isOpen) continue
      this.delete(connection)
      connection.closedByClient()
    }
    return this.#reached(network)
  }

  has (connection: Connection): boolean {
    return this.#members.has(connection)
  }

  /** Adding twice is harmless. */
  add (connection: Connection): void {
    if (this.#members.has(connection)) return
    this.#members.add(connection)
    const network = networkOf(connection.ip)
    this.#byNetwork.set(network, (this.#byNetwork.get(network) ?? 0) + 1)
  }

  /** Deleting twice is harmless. */
  delete (connection: Connection): void {
    if (!this.#members.delete(connection)) return
    const network = networkOf(connection.ip)
    const count = this.#byNetwork.get(network)! - 1
    if (count === 0) this.#byNetwork.delete(network)
    else this.#byNetwork.set(network, count)
  }

  #reached (network: string | null): ReachedBound | null {
    if (this.#members.size >= this.#max) return 'all'
    return network !== null && (this.#byNetwork.get(network) ?? 0) >= this.#maxPerNetwork ? 'network' : null
  }
}
