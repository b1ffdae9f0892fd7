import type { RedisClient } from './client.js'

/** Masters of a cluster's slots, as known to the latest client of the cluster. Servers are identified by address. */
export class SlotMap {
  #client: RedisClient | null = null

  /**
   * Reads the map of this client from now on.
   *
   * @param onChange called when the client has a new map
   */
  follow (client: RedisClient, onChange: () => void): void {
    this.#client = client
    client.on('refresh', () => { if (this.#client === client) onChange() })
  }

  /** Asks the cluster for a new map. */
  refresh (): void {
    this.#client?.refreshSlotsCache?.()
  }

  /** Returns the address of a slot's master; undefined: unknown. */
  masterOf (slot: number): string | undefined {
    return this.#client?.slots?.[slot]?.[0]
  }

  /** Returns the server with that address; undefined: not in the cluster. */
  serverAt (address: string): RedisClient | undefined {
    return this.#client!.nodes!('all').find((server) => addressOf(server) === address)
  }

  /** Returns the addresses of all masters. */
  masters (): Set<string> {
    return new Set(this.#client!.nodes!('master').map(addressOf))
  }
}

function addressOf ({ options }: RedisClient): string {
  return `${options?.host}:${options?.port}`
}
