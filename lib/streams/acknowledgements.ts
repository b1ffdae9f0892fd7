import { Type, type Static } from '@sinclair/typebox'
import type { AckOptions } from '../../schemas/messages.js'
import type { Connection } from '../socket/connection.js'
import type { Engine, StreamPosition, Publication } from '../engine/engine.js'
import { ExpiringMap } from '../engine/expiring-map.js'
import { toMessage } from '../protocol/delivery.js'
import type { EncodedMessage } from '../socket/message.js'
import type { StreamState } from './topic.js'
import type { Topics } from './topics.js'
import { Handovers, type HandoverClaim } from './handovers.js'

/** Client ids of the sockets that have acknowledged a message, and of those that have not. */
export interface AckReport { acked: string[], missing: string[] }

/** Times of redelivery of a message. Part of the messages between nodes since version 0.2. */
export const Schedule = Type.Object({
  /** Time after each try, milliseconds. */
  timeoutMs: Type.Integer({ minimum: 1 }),
  /** Number of redeliveries after the first send. */
  retries: Type.Integer({ minimum: 0 })
})
export type Schedule = Static<typeof Schedule>

/** Divides the total time of an acknowledged send among its tries. */
export function scheduleOf ({ timeoutMs, tries }: Required<AckOptions>): Schedule {
  return { timeoutMs: Math.max(1, Math.floor(timeoutMs / tries)), retries: tries - 1 }
}

/** Returns the total time of all tries, milliseconds. */
export function waitOf ({ timeoutMs, retries }: Schedule): number {
  return timeoutMs * (retries + 1)
}

/** One awaited acknowledgement. If its socket ends, another socket of the same user can take it over. */
interface Slot {
  connection: Connection
  userId: string | null
  /** Id of the socket that has acknowledged, which may be on another node; null: none yet. */
  ackedBy: string | null
  /** True if it has been offered to the other nodes. */
  isOffered: boolean
}

/** A message with acknowledgements outstanding. */
interface Pending {
  messageId: string
  /** The topic that a returning client joins again. */
  topic: string
  slots: Slot[]
  /** Sockets that joined later and have not taken over a slot. */
  newcomers: Set<Connection>
  /** null: not sent yet. */
  publication: Publication | null
  position: StreamPosition | null
  /** Made for the first redelivery. */
  message: EncodedMessage | null
  begunAt: number
  /** Total time of all tries, milliseconds. */
  waitMs: number
  retriesLeft: number
  timeoutMs: number
  timer: NodeJS.Timeout | null
  settle: (report: AckReport) => void
}

/** Retention of early acknowledgements, and maximum number of their messages. */
const EARLY_MS = 5_000
const MAX_EARLY = 10_000

/** Tracks acknowledged sends, and reports which sockets did not answer (row A10). */
export class Acknowledgements {
  /** Acknowledgements of messages that this node does not await (yet): the sockets, each with its user at that time. */
  readonly #early = new ExpiringMap<string, Map<Connection, string | null>>(EARLY_MS)
  readonly #pending = new Map<string, Pending>()
  readonly #byTopic = new Map<string, Set<Pending>>()
  readonly #topics: Topics
  readonly #handovers: Handovers

  constructor (topics: Topics, engine: Pick<Engine, 'cluster' | 'clock'>) {
    this.#topics = topics
    this.#handovers = new Handovers(engine, {
      members: (topic) => topics.members(topic),
      early: (messageId) => [...this.#early.get(messageId) ?? []].filter(([connection, userId]) => userOf(connection) === userId).map(([connection]) => connection),
      onClaim: (claim) => this.#claimed(claim)
    })
  }

  /**
   * Awaits the acknowledgements of a message. Called before the send, since the first can arrive right after it.
   *
   * @param topic the topic that a returning client joins again
   * @returns `sent`, to be called after the send, `giveUp`, to be called if it failed, and the report
   */
  expect (messageId: string, topic: string, connections: readonly Connection[], schedule: Schedule) {
    const { timeoutMs, retries } = schedule
    let settle!: Pending['settle']
    const report = new Promise<AckReport>((resolve) => { settle = resolve })
    const early = this.#early.get(messageId)
    const pending: Pending = {
      messageId,
      topic,
      slots: connections.map((connection) => {
        const userId = userOf(connection)
        return { connection, userId, ackedBy: early?.get(connection) === userId ? connection.id : null, isOffered: false }
      }),
      newcomers: new Set(),
      publication: null,
      position: null,
      message: null,
      begunAt: performance.now(),
      waitMs: waitOf(schedule),
      retriesLeft: retries,
      timeoutMs,
      timer: null,
      settle: (result) => {
        this.#forget(pending)
        settle(result)
      }
    }
    this.#pending.set(messageId, pending)
    const siblings = this.#byTopic.get(topic)
    if (siblings === undefined) this.#byTopic.set(topic, new Set([pending]))
    else siblings.add(pending)
    const sent = (publication: Publication, position: StreamPosition | null): void => {
      pending.publication = publication
      pending.position = position
      if (this.#pending.get(messageId) !== pending) return
      if (isComplete(pending)) this.#finish(pending)
      else pending.timer = setTimeout(() => this.#retry(pending), timeoutMs)
    }
    /** Ends the wait: the message could not be sent. */
    const giveUp = (): void => this.#finish(pending)
    return { report, sent, giveUp }
  }

  /** Handles an `ack` frame; a late one, or one of a socket that was not asked, changes nothing. */
  acknowledge (messageId: string, connection: Connection): void {
    const pending = this.#pending.get(messageId)
    const slot = pending?.slots.find((slot) => slot.connection === connection && slot.userId === userOf(connection))
    if (slot !== undefined) this.#acked(pending!, slot, connection.id)
    else if (!this.#handovers.acknowledge(messageId, connection)) this.#keep(messageId, connection)
  }

  /** Called when a connection has joined a topic: it takes over acknowledgements of its user's sockets that have ended. */
  joined (state: StreamState, connection: Connection): void {
    for (const pending of this.#byTopic.get(state.topic) ?? []) {
      if (connection.user === null || pending.slots.some((slot) => slot.connection === connection)) continue
      pending.newcomers.add(connection)
      this.#fill(pending, recovers(state, pending) ? connection : null)
    }
    this.#handovers.joined(state.topic, connection)
  }

  /** Called when a connection has left a topic, or ended. */
  left (topic: string, connection: Connection): void {
    for (const pending of this.#byTopic.get(topic) ?? []) {
      pending.newcomers.delete(connection)
      this.#fill(pending, null)
    }
    this.#handovers.left(topic, connection)
  }

  /** Ends every wait; reports contain the acknowledgements so far. */
  close (): void {
    for (const pending of this.#pending.values()) this.#finish(pending)
    this.#handovers.close()
    this.#early.clear()
  }

  /** Keeps an early acknowledgement: a message can arrive before the notice of the node that awaits its acknowledgements. */
  #keep (messageId: string, connection: Connection): void {
    const connections = this.#early.get(messageId)
    if (connections !== undefined) connections.set(connection, userOf(connection))
    else if (this.#early.size < MAX_EARLY) this.#early.set(messageId, new Map([[connection, userOf(connection)]]))
  }

  #retry (pending: Pending): void {
    this.#fill(pending, null)
    if (pending.retriesLeft-- === 0) return this.#finish(pending)
    pending.timer = setTimeout(() => this.#retry(pending), pending.timeoutMs)
    for (const slot of pending.slots) if (slot.ackedBy === null) this.#send(pending, slot)
  }

  /**
   * Hands the slots of ended sockets over to newcomers of the same user, or offers them to the other nodes.
   *
   * @param recovering a newcomer that gets the message from the history anyway; null: none
   */
  #fill (pending: Pending, recovering: Connection | null): void {
    for (const slot of pending.slots) {
      if (!this.#isOrphaned(pending, slot)) continue
      const newcomer = [...pending.newcomers].find(({ user, isOpen }) => user?.id === slot.userId && isOpen)
      if (newcomer === undefined) this.#offer(pending, slot)
      else {
        pending.newcomers.delete(newcomer)
        slot.connection = newcomer
        if (newcomer !== recovering) this.#send(pending, slot)
        if (slot.isOffered) this.#handovers.withdraw(pending.messageId, slot.userId!)
        slot.isOffered = false
      }
    }
  }

  #offer ({ messageId, topic, publication, begunAt, timeoutMs, waitMs }: Pending, slot: Slot): void {
    if (slot.isOffered || publication === null) return
    slot.isOffered = true
    const ageMs = performance.now() - begunAt
    this.#handovers.offer({
      message_id: messageId,
      topic,
      user_id: slot.userId!,
      json: publication.json,
      age_ms: Math.ceil(ageMs),
      left_ms: Math.max(0, Math.ceil(waitMs - ageMs)),
      again_ms: timeoutMs
    })
  }

  /** Handles the claim of another node, where a socket of the user has acknowledged. */
  #claimed ({ message_id: messageId, user_id: userId, client_id: clientId }: HandoverClaim & { client_id: string }): void {
    const pending = this.#pending.get(messageId)
    const slot = pending?.slots.find((slot) => slot.userId === userId && this.#isOrphaned(pending, slot))
    if (slot !== undefined) this.#acked(pending!, slot, clientId)
  }

  #acked (pending: Pending, slot: Slot, clientId: string): void {
    slot.ackedBy = clientId
    if (isComplete(pending)) this.#finish(pending)
  }

  #send (pending: Pending, slot: Slot): void {
    if (pending.publication === null || !this.#canGet(pending, slot)) return
    // A redelivery is in no stream: it is out of order, and the client must not take it for what comes next there.
    pending.message ??= toMessage({ ...pending.publication, topic: '', position: null })
    slot.connection.send(pending.message)
  }

  /** Returns true if the slot's socket is gone and another of its user may take it over; never for an anonymous socket. */
  #isOrphaned (pending: Pending, slot: Slot): boolean {
    return slot.ackedBy === null && slot.userId !== null && !this.#canGet(pending, slot)
  }

  /** Returns true if the connection is open, and still has the same user and topic. */
  #canGet ({ topic }: Pending, { connection, userId }: Slot): boolean {
    return connection.isOpen && userOf(connection) === userId && this.#topics.has(topic, connection)
  }

  #finish (pending: Pending): void {
    const { slots } = pending
    pending.settle({
      acked: slots.flatMap(({ ackedBy }) => ackedBy ?? []),
      missing: slots.flatMap(({ ackedBy, connection }) => ackedBy === null ? connection.id : [])
    })
  }

  #forget (pending: Pending): void {
    if (pending.timer !== null) clearTimeout(pending.timer)
    this.#pending.delete(pending.messageId)
    const siblings = this.#byTopic.get(pending.topic)
    siblings?.delete(pending)
    if (siblings?.size === 0) this.#byTopic.delete(pending.topic)
  }
}

function userOf ({ user }: Connection): string | null {
  return user?.id ?? null
}

function isComplete ({ slots }: Pending): boolean {
  return slots.every(({ ackedBy }) => ackedBy !== null)
}

/** Returns true if the connection's recovery contains the message. */
function recovers ({ recovered, position }: StreamState, pending: Pending): boolean {
  return recovered && pending.position !== null && position!.epoch === pending.position.epoch && position!.offset < pending.position.offset
}
