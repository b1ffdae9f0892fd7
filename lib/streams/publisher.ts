import { randomUUID } from 'node:crypto'
import { Type, type Static } from '@sinclair/typebox'
import { Nullable, UserId } from '../../schemas/fields.js'
import type { ServerFrame } from '../../schemas/frames/server.js'
import { ClientDeliveryReport, type DeliveryReport, type SendOptions, type AckOptions } from '../../schemas/messages.js'
import type { Connection } from '../socket/connection.js'
import type { Registry } from '../socket/registry.js'
import { clusterCall, type ClusterReplies } from '../cluster/call.js'
import type { Engine, StreamPosition, Publication } from '../engine/engine.js'
import { toJson, toMessage, withFields } from '../protocol/delivery.js'
import type { Outbound } from '../protocol/outbound.js'
import { Schedule, scheduleOf, waitOf, type Acknowledgements } from './acknowledgements.js'
import type { StreamRules } from './stream-rules.js'
import { channelOf, topicOf } from '../topic-names.js'
import type { Topics } from './topics.js'

/** Time for the other nodes to send their reports after the wait for acknowledgements is over. */
const REPORT_MS = 500

const NOBODY: ClientDeliveryReport = { recipients: 0 }
const NOT_ACKNOWLEDGED: ClientDeliveryReport = { recipients: 0, acked: [], missing: [] }

/** Asks the other nodes to send a message to one of their sockets. */
const Direct = Type.Object({
  client_id: Type.String(),
  /** The user that it must belong to; null: it must be anonymous; missing: any user. */
  user_id: Type.Optional(Nullable(UserId)),
  json: Type.String({ pattern: '^\\{"' }),
  compress: Type.Boolean(),
  ack: Type.Optional(Schedule)
})
type Direct = Static<typeof Direct>

/** Asks the other nodes to await acknowledgements of a message. */
const Expected = Type.Object({
  message_id: Type.String(),
  topic: Type.String(),
  json: Type.String({ pattern: '^\\{"' }),
  except: Type.Array(Type.String()),
  ack: Schedule
})
type Expected = Static<typeof Expected>

const expectCall = clusterCall('expect', { request: Expected, response: ClientDeliveryReport })
const sendCall = clusterCall('send', { request: Direct, response: ClientDeliveryReport })

/** Options of `ws.sendToClient()`. */
export interface ClientSendOptions extends SendOptions {
  /** Sends only if the socket belongs to this user; null: only if it is anonymous. By default to any user. */
  userId?: string | null | undefined
}

/** Options of a frame of the protocol, or of a client's message. */
export interface AnnounceOptions {
  /** True if it may be dropped for a slow consumer with `slowConsumer: 'drop'`; default false. */
  isDroppable?: boolean
  /** True if it is kept in the history, so that clients that were away can recover it; default true. */
  history?: boolean
  except?: readonly string[] | undefined
  /** The client that sent it, if any: charged to that sender's quota of the histories. */
  sender?: string | undefined
}

/** The parts that a {@link Publisher} needs. */
export interface PublisherParts {
  engine: Engine
  topics: Topics
  rules: StreamRules
  registry: Registry
  outbound: Outbound
  acknowledgements: Acknowledgements
}

/**
 * A publication handed to the engine.
 *
 * @property isComplete true if it reaches the other nodes
 */
interface Handed { position: StreamPosition | null, isComplete: boolean }

/** Publishes messages: checks and encodes each once, then hands it to the engine, which delivers it to the topics. */
export class Publisher {
  readonly #engine: Engine
  readonly #topics: Topics
  readonly #rules: StreamRules
  readonly #registry: Registry
  readonly #outbound: Outbound
  readonly #acknowledgements: Acknowledgements
  readonly #ack: Required<AckOptions>

  /** @param ack defaults for acknowledged sends */
  constructor ({ engine, topics, rules, registry, outbound, acknowledgements }: PublisherParts, ack: Required<AckOptions>) {
    this.#engine = engine
    this.#topics = topics
    this.#rules = rules
    this.#registry = registry
    this.#outbound = outbound
    this.#acknowledgements = acknowledgements
    this.#ack = ack
    expectCall.serve(engine.cluster, (expected) => this.#expectHere(expected))
    sendCall.serve(engine.cluster, (direct) => this.#sendHere(direct))
  }

  /** Publishes a message of the app to every member of a topic. */
  async publish (topic: string, message: object, options: SendOptions = {}): Promise<DeliveryReport> {
    const { ack, history, compress = true, except } = options
    const publication = { topic, json: this.#outbound.toJson(message, channelOf(topic)), isDroppable: true, isCompressible: compress, except }
    if (ack !== undefined) return this.#publishAcknowledged(publication, history, ack)
    const localRecipients = this.#topics.count(topic, except)
    const { position, isComplete } = await this.#hand(publication, history)
    return isComplete ? { localRecipients, position } : { localRecipients, position, complete: false }
  }

  /** Publishes a frame of the protocol to every member of a topic. Resolves to whether it reaches the other nodes. */
  async announce (topic: string, frame: ServerFrame, options: AnnounceOptions = {}): Promise<boolean> {
    return this.forward(topic, toJson(frame), options)
  }

  /** Publishes a client's message, as JSON, to every member of a topic. Resolves to whether it reaches the other nodes. */
  async forward (topic: string, json: string, { isDroppable = false, history, except, sender }: AnnounceOptions): Promise<boolean> {
    const publication = { topic, json, isDroppable, isCompressible: true, except, ...sender !== undefined && { sender } }
    const { isComplete } = await this.#hand(publication, history)
    return isComplete
  }

  /** Sends a message of the app to one socket of any node. It is not part of a stream. */
  async sendToClient (clientId: string, message: object, { ack, compress = true, userId }: ClientSendOptions = {}): Promise<ClientDeliveryReport> {
    return this.#sendTo({ client_id: clientId, ...userId !== undefined && { user_id: userId }, json: this.#outbound.toJson(message), compress, ...ack !== undefined && { ack: scheduleOf({ ...this.#ack, ...ack }) } })
  }

  /** Sends a client's message, as JSON, to one socket. */
  async forwardToClient (clientId: string, json: string): Promise<void> {
    await this.#sendTo({ client_id: clientId, json, compress: true })
  }

  async #sendTo (direct: Direct): Promise<ClientDeliveryReport> {
    const here = await this.#sendHere(direct)
    if (here.recipients > 0) return here
    const timeoutMs = direct.ack === undefined ? undefined : waitOf(direct.ack) + REPORT_MS
    const { values, complete } = await sendCall.all(this.#engine.cluster, direct, timeoutMs)
    return values.find(({ recipients }) => recipients > 0) ?? (complete ? here : { ...here, complete: false })
  }

  async #sendHere ({ client_id: clientId, user_id: userId, json, compress, ack }: Direct): Promise<ClientDeliveryReport> {
    const connection = this.#registry.getOpen(clientId, userId)
    const publication = { topic: '', json, isDroppable: true, isCompressible: compress }
    if (connection === null) return ack === undefined ? NOBODY : NOT_ACKNOWLEDGED
    if (ack === undefined) {
      connection.send(toMessage({ ...publication, position: null }))
      return { recipients: 1 }
    }
    // A user who reconnects joins their own topic again; an anonymous socket cannot be recognized.
    const topic = connection.user === null ? topicOf.all : topicOf.user(connection.user.id)
    return this.#acknowledged(topic, publication, [connection], ack, async (withId) => {
      connection.send(toMessage({ ...withId, position: null }))
      return null
    })
  }

  /** Publishes a message whose acknowledgements each node awaits from its own members, and merges their reports. */
  async #publishAcknowledged (publication: Publication, history: boolean | undefined, given: AckOptions): Promise<DeliveryReport> {
    const { topic, except = [] } = publication
    const ack = scheduleOf({ ...this.#ack, ...given })
    let others: Promise<ClusterReplies<ClientDeliveryReport>> | undefined
    let handed!: Handed
    const here = await this.#acknowledged(topic, publication, this.#topics.members(topic, except), ack, async (withId, messageId) => {
      const expected: Expected = { message_id: messageId, topic, json: withId.json, except: [...except], ack }
      others = expectCall.all(this.#engine.cluster, expected, waitOf(ack) + REPORT_MS)
      handed = await this.#hand(withId, history)
      return handed.position
    })
    const { values, complete } = await others!
    const reports = [here, ...values]
    return {
      localRecipients: here.recipients,
      position: handed.position,
      acked: reports.flatMap(({ acked = [] }) => acked),
      missing: reports.flatMap(({ missing = [] }) => missing),
      ...(!handed.isComplete || !complete) && { complete: false }
    }
  }

  /** Awaits the acknowledgements of this node's members for a message of another node. Redeliveries carry no position: clients recognize them by `message_id`. */
  async #expectHere ({ message_id: messageId, topic, json, except, ack }: Expected): Promise<ClientDeliveryReport> {
    const connections = this.#topics.members(topic, except)
    const { report, sent } = this.#acknowledgements.expect(messageId, topic, connections, ack)
    sent({ topic, json, isDroppable: true, isCompressible: true }, null)
    return { recipients: connections.length, ...await report }
  }

  async #acknowledged (topic: string, plain: Publication, connections: readonly Connection[], ack: Schedule,
    send: (publication: Publication, messageId: string) => Promise<StreamPosition | null>): Promise<ClientDeliveryReport> {
    const messageId = randomUUID()
    const publication = { ...plain, json: withFields(plain.json, { message_id: messageId, requires_ack: true }) }
    const { report, sent, giveUp } = this.#acknowledgements.expect(messageId, topic, connections, ack)
    try {
      sent(publication, await send(publication, messageId))
    } catch (error) {
      giveUp()
      throw error
    }
    return { recipients: connections.length, ...await report }
  }

  /** Hands a publication to the engine, which delivers it to every member of the topic on all nodes. */
  async #hand (publication: Publication, history: boolean | undefined): Promise<Handed> {
    const retention = history === false ? null : this.#rules.of(publication.topic).retention
    if (retention === null) return { position: null, isComplete: await this.#engine.pass(publication) }
    return { position: await this.#engine.publish(publication, retention), isComplete: true }
  }
}
