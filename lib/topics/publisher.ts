import type { DeliveryReport, SendOptions } from '../../schemas/messages.js'
import type { Registry } from '../connection/registry.js'
import type { Engine } from '../engine/engine.js'
import { EncodedMessage } from '../protocol/encode.js'
import type { Outbound } from '../protocol/outbound.js'
import type { Topics } from './topics.js'

/** The way out: a message is checked and encoded once, then handed to the engine, which hands it to the topics. */
export class Publisher {
  readonly #engine: Engine
  readonly #topics: Topics
  readonly #registry: Registry
  readonly #outbound: Outbound

  constructor (engine: Engine, topics: Topics, registry: Registry, outbound: Outbound) {
    this.#engine = engine
    this.#topics = topics
    this.#registry = registry
    this.#outbound = outbound
  }

  /** A message of the app, to every member of a topic. */
  async publish (topic: string, message: object, options: SendOptions = {}): Promise<DeliveryReport> {
    return this.#publish(topic, this.#outbound.encode(message), options.except)
  }

  /**
   * A frame of the protocol, to every member of a topic.
   *
   * @param isDroppable whether a slow consumer may miss it, where the app chose to drop
   */
  async announce (topic: string, frame: object, isDroppable = false): Promise<void> {
    await this.#publish(topic, new EncodedMessage(frame, isDroppable), undefined)
  }

  /** A message of the app, to one socket. */
  async sendToClient (clientId: string, message: object): Promise<DeliveryReport> {
    return this.#sendToClient(clientId, this.#outbound.encode(message))
  }

  /** A frame of the protocol, to one socket; `isDroppable` as for `announce`. */
  announceToClient (clientId: string, frame: object, isDroppable = false): void {
    this.#sendToClient(clientId, new EncodedMessage(frame, isDroppable))
  }

  #sendToClient (clientId: string, message: EncodedMessage): DeliveryReport {
    const connection = this.#registry.getOpen(clientId)
    connection?.send(message)
    return { recipients: connection === null ? 0 : 1 }
  }

  async #publish (topic: string, message: EncodedMessage, except: readonly string[] | undefined): Promise<DeliveryReport> {
    let recipients = 0
    for (const { isOpen, id } of this.#topics.members(topic)) if (isOpen && except?.includes(id) !== true) recipients++
    await this.#engine.publish({ topic, message, except })
    return { recipients }
  }
}
