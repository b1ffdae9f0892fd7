import { randomUUID } from 'node:crypto'
import { localClock } from '../clock.js'
import type { Availability, Cluster, ClusterAnswers, Delivery, Engine, EngineContext, HistoryPage, PageBounds, StreamPosition, Publication, Retention } from '../engine.js'
import { MemoryCallStore } from './calls.js'
import { MemoryConfirmationStore } from './confirmations.js'
import { MemoryPresenceStore } from './presence.js'
import { MemoryRevocationStore } from './revocations.js'
import { MemoryTicketStore } from './tickets.js'
import { Streams } from './streams.js'

export type MemoryEngineOptions = Omit<EngineContext, 'log'>

/** Engine of a single node: deliveries reach the listener within the call. */
export class MemoryEngine implements Engine {
  readonly confirmations: MemoryConfirmationStore
  readonly presence = new MemoryPresenceStore()
  readonly revocations: MemoryRevocationStore
  readonly tickets: MemoryTicketStore
  readonly calls = new MemoryCallStore()
  readonly cluster = new SingleNode()
  readonly clock = localClock
  readonly #streams: Streams
  #listener: (delivery: Delivery) => void = () => {}
  #onEviction: (messages: number) => void = () => {}

  constructor ({ retainMs, ticketTtlMs, maxRevocations, ...limits }: MemoryEngineOptions) {
    this.confirmations = new MemoryConfirmationStore(retainMs)
    this.revocations = new MemoryRevocationStore(maxRevocations)
    this.tickets = new MemoryTicketStore(ticketTtlMs)
    this.#streams = new Streams(limits, (messages) => this.#onEviction(messages))
  }

  async publish (publication: Publication, retention: Retention): Promise<StreamPosition> {
    const delivery = this.#streams.append(publication, retention)
    if (this.#streams.isSubscribed(publication.topic)) this.#listener(delivery)
    return delivery.position
  }

  async pass (publication: Publication): Promise<boolean> {
    if (this.#streams.isSubscribed(publication.topic)) this.#listener({ ...publication, position: null })
    return true
  }

  async subscribe (topic: string): Promise<StreamPosition> {
    return this.#streams.subscribe(topic)
  }

  unsubscribe (topic: string): void {
    this.#streams.unsubscribe(topic)
  }

  async history (topic: string, since: StreamPosition | null, limit: number, bounds?: PageBounds): Promise<HistoryPage> {
    return this.#streams.read(topic, since, limit, bounds)
  }

  onDelivery (listener: (delivery: Delivery) => void): void {
    this.#listener = listener
  }

  /** Never calls the listener: nothing is lost between caller and listener. */
  onBreak (): void {}

  onEviction (listener: (messages: number) => void): void {
    this.#onEviction = listener
  }

  async close (): Promise<void> {
    this.#listener = () => {}
    this.presence.close()
    this.tickets.close()
    this.calls.close()
    this.#streams.close()
    this.confirmations.close()
  }
}

/** A cluster of one node, with no others to ask. */
class SingleNode implements Cluster {
  readonly nodeId = randomUUID()
  readonly availability: Availability = { status: 'ready', reasons: [] }

  onAvailability (): void {}

  async ask (): Promise<ClusterAnswers> {
    return { answers: [], missing: [] }
  }

  onAsk (): void {}
}
