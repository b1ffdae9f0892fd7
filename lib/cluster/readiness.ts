import type { Registry } from '../socket/registry.js'
import type { Availability, Cluster } from '../engine/engine.js'
import type { EventHub } from '../events.js'
import { encodeFrame, type EncodedMessage } from '../socket/message.js'

/** Reports the availability of the shared store to sockets and the app. Sockets stay open during an outage. */
export class Readiness {
  readonly #cluster: Cluster

  constructor (cluster: Cluster, registry: Registry, events: EventHub) {
    this.#cluster = cluster
    cluster.onAvailability((availability) => {
      const { status, reasons } = availability
      const frame = frameOf(availability)
      for (const connection of [...registry.open()]) connection.send(frame)
      events.emit('readiness_changed', { ready: status !== 'unavailable', status, reasons })
    })
    events.on('client_connected', ({ client: { id } }) => {
      if (this.availability.status !== 'ready') registry.getOpen(id)?.send(frameOf(this.availability))
    })
  }

  get availability (): Availability {
    return this.#cluster.availability
  }
}

function frameOf ({ status, reasons }: Availability): EncodedMessage {
  return encodeFrame({ type: 'availability', available: status !== 'unavailable', degraded: status === 'degraded', reasons: [...reasons] })
}
