import { randomUUID } from 'node:crypto'
import type { AckOptions, DeliveryReport, SendOptions } from '../../schemas/messages.js'
import type { Connection } from '../connection/connection.js'
import type { Registry } from '../connection/registry.js'
import type { Engine, Position, Publication } from '../engine/engine.js'
import { toJson, toMessage, withFields } from '../protocol/delivery.js'
import type { Outbound } from '../protocol/outbound.js'
import type { Acknowledgements } from './acknowledgements.js'
import type { StreamRules } from './stream-rules.js'
import { topicOf } from './topic-names.js'
import type { Topics } from './topics.js'

/** How a frame of the protocol is sent. */
export interface AnnounceOptions {
  /** Whether a slow consumer may miss it, where the app chose to drop; default false. */
  isDroppable?: boolean
  /** Whether it goes into the stream, so that who was away gets it; default true. */
  history?: boolean
  except?: readonly string[] | undefined
}

/** The way out: a message is checked and encoded once, then handed to the engine, which hands it to the topics. */
export class Publisher {
  readonly #engine: Engine
  readonly #topics: Topics
  readonly #rules: StreamRules
  readonly #registry: Registry
  readonly #outbound: Outbound
  readonly #acknowledgements: Acknowledgements
  readonly #ack: Required<AckOptions>

  /** @param ack what an acknowledged send does not say itself */
  constructor (engine: Engine, topics: Topics, rules: StreamRules, registry: Registry, outbound: Outbound,
    acknowledgements: Acknowledgements, ack: Required<AckOptions>) {
    this.#engine = engine
    this.#topics = topics
    this.#rules = rules
    this.#registry = registry
    this.#outbound = outbound
    this.#acknowledgements = acknowledgements
    this.#ack = ack
  }

  /** A message of the app, to every member of a topic. */
  async publish (topic: string, message: object, options: SendOptions = {}): Promise<DeliveryReport> {
    const { ack, history, compress = true, except } = options
    const publication = { topic, json: this.#outbound.toJson(message), isDroppable: true, isCompressible: compress, except }
    if (ack !== undefined) return this.#publishAcknowledged(publication, history, ack)
    const recipients = this.#topics.count(topic, except)
    await this.#engine.publish(publication, this.#retention(topic, history))
    return { recipients }
  }

  /** A frame of the protocol, or what a client sends, to every member of a topic. */
  async announce (topic: string, frame: object, { isDroppable = false, history, except }: AnnounceOptions = {}): Promise<void> {
    const publication = { topic, json: toJson(frame), isDroppable, isCompressible: true, except }
    await this.#engine.publish(publication, this.#retention(topic, history))
  }

  /** A message of the app, to one socket. It is part of no stream. */
  async sendToClient (clientId: string, message: object, { ack, compress = true }: SendOptions = {}): Promise<DeliveryReport> {
    const json = this.#outbound.toJson(message)
    const connection = this.#registry.getOpen(clientId)
    const direct = { topic: '', json, isDroppable: true, isCompressible: compress }
    if (ack === undefined) {
      connection?.send(toMessage({ ...direct, position: null }))
      return { recipients: connection === null ? 0 : 1 }
    }
    // Somebody who comes back comes to their own topic, or, where the socket is nobody's, not at all.
    const user = connection?.user ?? null
    return this.#acknowledged(user === null ? topicOf.all : topicOf.user(user.id), direct, connection === null ? [] : [connection], ack, async (publication) => {
      connection?.send(toMessage({ ...publication, position: null }))
      return null
    })
  }

  /** What a client sends to one socket. */
  announceToClient (clientId: string, frame: object): void {
    const direct = { topic: '', json: toJson(frame), isDroppable: true, isCompressible: true, position: null }
    this.#registry.getOpen(clientId)?.send(toMessage(direct))
  }

  #publishAcknowledged (publication: Publication, history: boolean | undefined, ack: AckOptions): Promise<DeliveryReport> {
    const { topic, except } = publication
    return this.#acknowledged(topic, publication, this.#topics.members(topic, except), ack,
      (withId) => this.#engine.publish(withId, this.#retention(topic, history)))
  }

  async #acknowledged (topic: string, plain: Publication, connections: readonly Connection[], ack: AckOptions,
    send: (publication: Publication) => Promise<Position | null>): Promise<DeliveryReport> {
    const messageId = randomUUID()
    const publication = { ...plain, json: withFields(plain.json, { message_id: messageId, requires_ack: true }) }
    const { report, sent, giveUp } = this.#acknowledgements.expect(messageId, topic, connections, { ...this.#ack, ...ack })
    try {
      const position = await send(publication)
      // Again it goes out beside the stream: a client that is past that place, or has not got there yet, must not take it
      // for its own.
      sent(toMessage({ ...publication, position: null }), position)
    } catch (error) {
      giveUp()
      throw error
    }
    return { recipients: connections.length, ...await report }
  }

  #retention (topic: string, history: boolean | undefined) {
    return history === false ? null : this.#rules.of(topic).retention
  }
}
