import { Type, type Static } from '@sinclair/typebox'
import { Nullable } from '../../schemas/fields.js'
import { clusterCall } from '../cluster/call.js'
import type { Connection } from '../socket/connection.js'
import type { Clock, Cluster, Engine } from '../engine/engine.js'
import { toMessage } from '../protocol/delivery.js'
import type { EncodedMessage } from '../socket/message.js'

const Duration = Type.Integer({ minimum: 0, maximum: 2_147_483_647 })

/** Offers an awaited acknowledgement whose socket has ended to sockets of the same user on other nodes. */
const HandoverOffer = Type.Object({
  message_id: Type.String(),
  topic: Type.String(),
  user_id: Type.String(),
  json: Type.String({ pattern: '^\\{"' }),
  /** Age of the message when the offer is made, milliseconds. */
  age_ms: Duration,
  /** Time at which the message was sent, on the clock that all nodes share. Nodes of version 0.2 leave it out. */
  sent_at: Type.Optional(Type.Number()),
  /** Time left for the acknowledgement. */
  left_ms: Duration,
  /** Time after which an unacknowledged message is sent again. */
  again_ms: Duration
})
export type HandoverOffer = Static<typeof HandoverOffer>

/** Claims an offer: for the socket that has acknowledged, or, where `client_id` is null, for a socket of the offering node itself. */
const HandoverClaim = Type.Object({ message_id: Type.String(), user_id: Type.String(), client_id: Nullable(Type.String()) })
export type HandoverClaim = Static<typeof HandoverClaim>

// The responses are ignored. The names of these calls are those of version 0.2.
const offerCall = clusterCall('vacant', { request: HandoverOffer, response: Type.Unknown() })
const claimCall = clusterCall('taken', { request: HandoverClaim, response: Type.Unknown() })

interface Handover {
  offer: HandoverOffer
  message: EncodedMessage
  /** The socket of this node that was sent the message and has not acknowledged it yet; null: none. */
  holder: { connection: Connection, again: NodeJS.Timeout } | null
  end: NodeJS.Timeout
}

export interface HandoverEvents {
  /** The members of a topic on this node. */
  members: (topic: string) => Connection[]
  /** The sockets of this node that have acknowledged a message whose acknowledgements this node does not await. */
  early: (messageId: string) => Iterable<Connection>
  /** Called when another node has claimed an offer of this one for its socket. */
  onClaim: (claim: HandoverClaim & { client_id: string }) => void
}

/** Hands awaited acknowledgements over to the node that a client has reconnected to. */
export class Handovers {
  readonly #cluster: Cluster
  readonly #clock: Clock
  readonly #events: HandoverEvents
  /** By message id; several offers for one user are interchangeable. */
  readonly #handovers = new Map<string, Set<Handover>>()

  constructor ({ cluster, clock }: Pick<Engine, 'cluster' | 'clock'>, events: HandoverEvents) {
    this.#cluster = cluster
    this.#clock = clock
    this.#events = events
    offerCall.serve(cluster, (offer) => this.#open(offer))
    claimCall.serve(cluster, (claim) => this.#claimed(claim))
  }

  /** Sends an offer to the other nodes. */
  offer (offer: HandoverOffer): void {
    offerCall.all(this.#cluster, { ...offer, sent_at: this.#clock.now() - offer.age_ms })
  }

  /** Withdraws an offer, since a socket of this node has taken it over. */
  withdraw (messageId: string, userId: string): void {
    this.#claim({ message_id: messageId, user_id: userId, client_id: null })
  }

  /** Called when a connection has joined a topic: it takes over an open offer for its user. */
  joined (topic: string, connection: Connection): void {
    for (const handover of this.#all()) {
      const { offer } = handover
      if (handover.holder === null && offer.topic === topic && this.#canTake(offer, connection)) this.#give(handover, connection)
    }
  }

  /** Called when a connection has left a topic: the offer that it has not acknowledged is open again. */
  left (topic: string, connection: Connection): void {
    for (const handover of this.#all()) {
      if (handover.holder?.connection !== connection || handover.offer.topic !== topic) continue
      clearInterval(handover.holder.again)
      handover.holder = null
    }
  }

  /** Handles an acknowledgement. Returns false if the connection holds no such offer. */
  acknowledge (messageId: string, connection: Connection): boolean {
    const handover = this.#heldBy(connection, messageId)
    if (handover === undefined || handover.offer.user_id !== connection.user?.id) return false
    this.#fill(handover, connection)
    return true
  }

  close (): void {
    for (const handover of this.#all()) this.#drop(handover)
  }

  #open (offer: HandoverOffer): void {
    const { message_id: id, topic, json, age_ms: ageMs, left_ms: leftMs } = offer
    const now = this.#clock.now()
    const { sent_at: sentAt = now - ageMs } = offer
    const lateMs = now - sentAt - ageMs
    const handover: Handover = {
      offer,
      message: toMessage({ topic: '', json, isDroppable: true, isCompressible: true, position: null }),
      holder: null,
      end: setTimeout(() => this.#drop(handover), leftMs - lateMs)
    }
    const siblings = this.#handovers.get(id)
    if (siblings === undefined) this.#handovers.set(id, new Set([handover]))
    else siblings.add(handover)
    // The client may have reconnected, and recovered the message from the history, before its old node noticed the end.
    const early = [...this.#events.early(id)].find((connection) => this.#canTake(offer, connection))
    if (early !== undefined) return this.#fill(handover, early)
    const back = this.#events.members(topic).find((connection) => connection.connectedAt >= sentAt && this.#canTake(offer, connection))
    if (back !== undefined) this.#give(handover, back)
  }

  #give (handover: Handover, connection: Connection): void {
    const { offer: { user_id: userId, again_ms: againMs }, message } = handover
    // The socket can switch users and stay in the topic.
    const send = () => { if (connection.user?.id === userId) connection.send(message) }
    handover.holder = { connection, again: setInterval(send, againMs) }
    send()
  }

  #fill (handover: Handover, { id }: Connection): void {
    const { message_id: messageId, user_id: userId } = handover.offer
    this.#drop(handover)
    this.#claim({ message_id: messageId, user_id: userId, client_id: id })
  }

  #claimed (claim: HandoverClaim): void {
    const { message_id: id, user_id: userId, client_id: clientId } = claim
    if (clientId !== null) this.#events.onClaim({ ...claim, client_id: clientId })
    // Each claim removes one offer of the user on every node.
    const handovers = [...this.#handovers.get(id) ?? []].filter(({ offer }) => offer.user_id === userId)
    const handover = handovers.find(({ holder }) => holder === null)
    if (handover !== undefined) this.#drop(handover)
  }

  #claim (claim: HandoverClaim): void {
    claimCall.all(this.#cluster, claim)
  }

  /** Returns true if the connection is the user's and holds no other offer of the same message. */
  #canTake ({ message_id: id, user_id: userId }: HandoverOffer, connection: Connection): boolean {
    return connection.isOpen && connection.user?.id === userId && this.#heldBy(connection, id) === undefined
  }

  #heldBy (connection: Connection, messageId: string): Handover | undefined {
    return [...this.#handovers.get(messageId) ?? []].find(({ holder }) => holder?.connection === connection)
  }

  #drop (handover: Handover): void {
    clearTimeout(handover.end)
    if (handover.holder !== null) clearInterval(handover.holder.again)
    const siblings = this.#handovers.get(handover.offer.message_id)
    siblings?.delete(handover)
    if (siblings?.size === 0) this.#handovers.delete(handover.offer.message_id)
  }

  #all (): Handover[] {
    return [...this.#handovers.values()].flatMap((handovers) => [...handovers])
  }
}
