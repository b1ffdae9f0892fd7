import type { FastifyBaseLogger } from 'fastify'
import { ExpiringMap } from '../expiring-map.js'
import type { Leases } from './cluster.js'

/** Time for which a sighting is remembered, in leases. */
const MEMORY = 10

export interface StraysSettings {
  leaseMs: number
  /** Returns true for this node, and for those that it knows to be alive. */
  isAlive: (nodeId: string) => boolean
  leases: () => Promise<Leases>
  /** Removes a node's clients from a channel. */
  remove: (channel: string, nodeId: string) => Promise<void>
}

/**
 * Clients of nodes that are not there any more, in channels in which nothing else would find them: a node that ended while it
 * added one may have left it behind. They are removed by whoever reads the channel, once their node has had no lease for as
 * long as one lasts.
 */
export class Strays {
  readonly #settings: StraysSettings
  readonly #log: FastifyBaseLogger
  /** When a node that is not known to be alive was first seen. */
  readonly #seenAt: ExpiringMap<string, number>
  readonly #removals = new Set<string>()

  constructor (settings: StraysSettings, log: FastifyBaseLogger) {
    this.#settings = settings
    this.#log = log
    this.#seenAt = new ExpiringMap(MEMORY * settings.leaseMs)
  }

  /** Notes the nodes that have clients in a channel. */
  seen (channel: string, nodeIds: Iterable<string>): void {
    const { leaseMs, isAlive } = this.#settings
    const now = performance.now()
    for (const nodeId of nodeIds) {
      if (isAlive(nodeId)) {
        this.#seenAt.delete(nodeId)
        continue
      }
      const seenAt = this.#seenAt.get(nodeId) ?? now
      this.#seenAt.set(nodeId, seenAt)
      if (now - seenAt >= leaseMs) this.#remove(channel, nodeId)
    }
  }

  close (): void {
    this.#seenAt.clear()
  }

  async #remove (channel: string, nodeId: string): Promise<void> {
    const removal = `${nodeId} ${channel}`
    if (this.#removals.has(removal)) return
    this.#removals.add(removal)
    try {
      const { nodes, isCertain } = await this.#settings.leases()
      if (isCertain && !nodes.includes(nodeId)) await this.#settings.remove(channel, nodeId)
    } catch (error) {
      this.#log.debug({ err: error, channel, node_id: nodeId }, 'could not remove the clients of a node that is gone yet; will retry')
    } finally {
      this.#removals.delete(removal)
    }
  }
}
