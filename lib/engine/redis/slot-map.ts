import type { RedisClient } from './client.js'

/** The masters of a cluster's slots, as the latest client of the cluster knows them. Servers are named by their addresses. */
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

  /** The address of a slot's master; undefined: none is known. */
  masterOf (slot: number): string | undefined {
    return this.#client?.slots?.[slot]?.[0]
  }

  /** The server with that address; undefined: it is not in the cluster. */
  serverAt (address: string): RedisClient | undefined {
    return this.#client!.nodes!('all').find((server) => addressOf(server) === address)
  }

  /** The addresses of all masters. */
  masters (): Set<string> {
    return new Set(this.#client!.nodes!('master').map(addressOf))
  }
}

function addressOf ({ options }: RedisClient): string {
  return `${options?.host}:${options?.port}`
}
