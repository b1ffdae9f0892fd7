import type { Registry } from '../connection/registry.js'
import type { Cluster } from '../engine/engine.js'
import type { EventHub } from '../events.js'
import { encode } from '../protocol/encode.js'

/** Whether this node reaches what it shares with the others; its sockets stay open while it does not, and are told. */
export class Readiness {
  readonly #cluster: Cluster

  constructor (cluster: Cluster, registry: Registry, events: EventHub) {
    this.#cluster = cluster
    cluster.onReadiness((isReady) => {
      const frame = encode({ type: 'availability', available: isReady })
      for (const connection of [...registry.open()]) connection.send(frame)
      events.emit('readiness_changed', { ready: isReady })
    })
  }

  get isReady (): boolean {
    return this.#cluster.isReady
  }
}
