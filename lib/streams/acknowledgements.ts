import { Type, type Static } from '@sinclair/typebox'
import type { AckOptions } from '../../schemas/messages.js'
import type { Connection } from '../socket/connection.js'
import type { Engine, Position, Publication } from '../engine/engine.js'
import { ExpiringMap } from '../engine/expiring-map.js'
import { toMessage } from '../protocol/delivery.js'
import type { EncodedMessage } from '../socket/message.js'
import type { StreamState } from './topic.js'
import type { Topics } from './topics.js'
import { Handovers, type HandoverClaim } from './handovers.js'

/** Which sockets have acknowledged a message, by client id, and which have not. */
export interface AckReport { acked: string[], missing: string[] }

/** When a message is sent again, as nodes tell each other since version 0.2. */
export const Schedule = Type.Object({
  /** Time after each try, milliseconds. */
  timeoutMs: Type.Integer({ minimum: 1 }),
  /** Number of redeliveries after the first send. */
  retries: Type.Integer({ minimum: 0 })
})
export type Schedule = Static<typeof Schedule>

/** Divides the time that an acknowledged send takes in all among its tries. */
export function scheduleOf ({ timeoutMs, tries }: Required<AckOptions>): Schedule {
  return { timeoutMs: Math.max(1, Math.floor(timeoutMs / tries)), retries: tries - 1 }
}

/** Returns the time of all tries together, milliseconds. */
export function waitOf ({ timeoutMs, retries }: Schedule): number {
  return timeoutMs * (retries + 1)
}

/** One socket that is waited for; another of the same user can take the place of one that has ended. */
interface Slot {
  connection: Connection
  userId: string | null
  /** The socket that has acknowledged, which may be one of another node. */
  ackedBy: string | null
  /** Whether the other nodes look for one, too. */
  isOffered: boolean
}

/** A message that is not acknowledged by everybody yet. */
interface Pending {
  messageId: string
  /** Who comes into this topic meanwhile may be one of those that were there, come back. */
  topic: string
  slots: Slot[]
  /** Sockets that came later and have nobody's place yet. */
  newcomers: Set<Connection>
  /** null: it is not sent yet. */
  publication: Publication | null
  position: Position | null
  /** Made when it is sent again for the first time. */
  message: EncodedMessage | null
  begunAt: number
  /** How long it is waited for, all tries together. */
  waitMs: number
  retriesLeft: number
  timeoutMs: number
  timer: NodeJS.Timeout | null
  settle: (report: AckReport) => void
}

/** How long, and for how many messages, it is kept who acknowledged what this node does not wait for, or not yet. */
const EARLY_MS = 5_000
const MAX_EARLY = 10_000

/** Sends that say who did not answer (row A10). */
export class Acknowledgements {
  /** Who has acknowledged, and whose socket it was then. */
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
   * Waits for the acknowledgements of a message. Begun before it is sent: the first can come right after.
   *
   * @param topic where one that comes back would come to
   * @returns `sent`, to be called with what has been sent, and the report
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
    const sent = (publication: Publication, position: Position | null): void => {
      pending.publication = publication
      pending.position = position
      if (this.#pending.get(messageId) !== pending) return
      if (isComplete(pending)) this.#finish(pending)
      else pending.timer = setTimeout(() => this.#retry(pending), timeoutMs)
    }
    /** The message could not be sent: nobody is waited for. */
    const giveUp = (): void => this.#finish(pending)
    return { report, sent, giveUp }
  }

  /** An `ack` frame; one that is late, or of a socket that was not asked, changes nothing. */
  acknowledge (messageId: string, connection: Connection): void {
    const pending = this.#pending.get(messageId)
    const slot = pending?.slots.find((slot) => slot.connection === connection && slot.userId === userOf(connection))
    if (slot !== undefined) this.#acked(pending!, slot, connection.id)
    else if (!this.#handovers.acknowledge(messageId, connection)) this.#keep(messageId, connection)
  }

  /** A connection has come into a topic: it gets what somebody of its user, who is gone, has not acknowledged. */
  joined (state: StreamState, connection: Connection): void {
    for (const pending of this.#byTopic.get(state.topic) ?? []) {
      if (connection.user === null || pending.slots.some((slot) => slot.connection === connection)) continue
      pending.newcomers.add(connection)
      this.#fill(pending, recovers(state, pending) ? connection : null)
    }
    this.#handovers.joined(state.topic, connection)
  }

  /** A connection has left a topic, or ended. */
  left (topic: string, connection: Connection): void {
    for (const pending of this.#byTopic.get(topic) ?? []) {
      pending.newcomers.delete(connection)
      this.#fill(pending, null)
    }
    this.#handovers.left(topic, connection)
  }

  /** Ends every wait, with what is known. */
  close (): void {
    for (const pending of this.#pending.values()) this.#finish(pending)
    this.#handovers.close()
    this.#early.clear()
  }

  /** A message can be here, and acknowledged, before the node that waits for that has said so. */
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
   * Gives the places of those that have ended to newcomers of the same user, or offers them to the other nodes.
   *
   * @param recovering the one that finds the message in the history that it gets anyway
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

  /** A socket of the user has acknowledged on another node. */
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
    // Again it goes out beside the stream: a client that is past that place, or has not got there yet, must not take it
    // for its own.
    pending.message ??= toMessage({ ...pending.publication, position: null })
    slot.connection.send(pending.message)
  }

  /** Whether another socket of the user may acknowledge in place of this one, which is gone; never for an anonymous one. */
  #isOrphaned (pending: Pending, slot: Slot): boolean {
    return slot.ackedBy === null && slot.userId !== null && !this.#canGet(pending, slot)
  }

  /** Whether the connection is still whose and where it was. */
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

/** Whether what follows the connection's join has the message in it. */
function recovers ({ recovered, position }: StreamState, pending: Pending): boolean {
  return recovered && pending.position !== null && position!.epoch === pending.position.epoch && position!.offset < pending.position.offset
}
