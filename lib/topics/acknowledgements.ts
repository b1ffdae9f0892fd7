import type { AckOptions } from '../../schemas/messages.js'
import type { Connection } from '../connection/connection.js'
import type { Position } from '../engine/engine.js'
import { ExpiringMap } from '../engine/expiring-map.js'
import type { EncodedMessage } from '../protocol/encode.js'
import type { StreamState } from './topics.js'

/** Which sockets have acknowledged a message, by client id, and which have not. */
export interface AckReport { acked: string[], missing: string[] }

/** One socket that is waited for; another of the same user can take the place of one that has ended. */
interface Slot { connection: Connection, userId: string | null, isAcked: boolean }

/** A message that is not acknowledged by everybody yet. */
interface Pending {
  /** Who comes into this topic meanwhile may be one of those that were there, come back. */
  topic: string
  slots: Slot[]
  /** Sockets that came later and have nobody's place yet. */
  newcomers: Set<Connection>
  message: EncodedMessage | null
  position: Position | null
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
  readonly #early = new ExpiringMap<string, Set<Connection>>(EARLY_MS)
  readonly #pending = new Map<string, Pending>()
  readonly #byTopic = new Map<string, Set<Pending>>()
  readonly #isMember: (topic: string, connection: Connection) => boolean

  /** @param isMember whether a connection may still be sent what is for a topic */
  constructor (isMember: (topic: string, connection: Connection) => boolean) {
    this.#isMember = isMember
  }

  /**
   * Waits for the acknowledgements of a message. Begun before it is sent: the first can come right after.
   *
   * @param topic where one that comes back would come to
   * @returns `sent`, to be called with the message when it is sent, and the report
   */
  expect (messageId: string, topic: string, connections: readonly Connection[], { timeoutMs, retries }: Required<AckOptions>) {
    let settle!: Pending['settle']
    const report = new Promise<AckReport>((resolve) => { settle = resolve })
    const early = this.#early.get(messageId)
    const pending: Pending = {
      topic,
      slots: connections.map((connection) => ({ connection, userId: connection.user?.id ?? null, isAcked: early?.has(connection) === true })),
      newcomers: new Set(),
      message: null,
      position: null,
      retriesLeft: retries,
      timeoutMs,
      timer: null,
      settle: (result) => {
        this.#forget(messageId, pending)
        settle(result)
      }
    }
    this.#pending.set(messageId, pending)
    const siblings = this.#byTopic.get(topic)
    if (siblings === undefined) this.#byTopic.set(topic, new Set([pending]))
    else siblings.add(pending)
    const sent = (message: EncodedMessage, position: Position | null): void => {
      pending.message = message
      pending.position = position
      if (this.#pending.get(messageId) !== pending) return
      if (pending.slots.every(({ isAcked }) => isAcked)) this.#finish(pending)
      else pending.timer = setTimeout(() => this.#retry(pending), timeoutMs)
    }
    /** The message could not be sent: nobody is waited for. */
    const giveUp = (): void => this.#finish(pending)
    return { report, sent, giveUp }
  }

  /** An `ack` frame; one that is late, or of a socket that was not asked, changes nothing. */
  acknowledge (messageId: string, connection: Connection): void {
    const pending = this.#pending.get(messageId)
    if (pending === undefined) return this.#keep(messageId, connection)
    const slot = pending.slots.find((slot) => slot.connection === connection)
    if (slot === undefined) return
    slot.isAcked = true
    if (pending.slots.every(({ isAcked }) => isAcked)) this.#finish(pending)
  }

  /** A connection has come into a topic: it gets what somebody of its user, who is gone, has not acknowledged. */
  joined (state: StreamState, connection: Connection): void {
    for (const pending of this.#byTopic.get(state.topic) ?? []) {
      if (connection.user === null || pending.slots.some((slot) => slot.connection === connection)) continue
      pending.newcomers.add(connection)
      this.#fill(pending, recovers(state, pending) ? connection : null)
    }
  }

  /** A connection has left a topic, or ended. */
  left (topic: string, connection: Connection): void {
    for (const pending of this.#byTopic.get(topic) ?? []) {
      pending.newcomers.delete(connection)
      this.#fill(pending, null)
    }
  }

  /** Ends every wait, with what is known. */
  close (): void {
    for (const pending of this.#pending.values()) this.#finish(pending)
    this.#early.clear()
  }

  /** A message can be here, and acknowledged, before the node that sent it has said that it waits for that. */
  #keep (messageId: string, connection: Connection): void {
    const connections = this.#early.get(messageId)
    if (connections !== undefined) connections.add(connection)
    else if (this.#early.size < MAX_EARLY) this.#early.set(messageId, new Set([connection]))
  }

  #retry (pending: Pending): void {
    this.#fill(pending, null)
    if (pending.retriesLeft-- === 0) return this.#finish(pending)
    pending.timer = setTimeout(() => this.#retry(pending), pending.timeoutMs)
    for (const slot of pending.slots) if (!slot.isAcked) this.#send(pending, slot)
  }

  /**
   * Gives the places of those that have ended to newcomers of the same user.
   *
   * @param recovering the one that finds the message in the history that it gets anyway
   */
  #fill (pending: Pending, recovering: Connection | null): void {
    for (const slot of pending.slots) {
      if (slot.isAcked || slot.userId === null || this.#canGet(pending, slot)) continue
      for (const newcomer of pending.newcomers) {
        if (newcomer.user?.id !== slot.userId || !newcomer.isOpen) continue
        pending.newcomers.delete(newcomer)
        slot.connection = newcomer
        if (newcomer !== recovering) this.#send(pending, slot)
        break
      }
    }
  }

  #send (pending: Pending, slot: Slot): void {
    if (pending.message !== null && this.#canGet(pending, slot)) slot.connection.send(pending.message)
  }

  /** Whether the connection is still whose and where it was. */
  #canGet ({ topic }: Pending, { connection, userId }: Slot): boolean {
    return connection.isOpen && (connection.user?.id ?? null) === userId && this.#isMember(topic, connection)
  }

  #finish (pending: Pending): void {
    const ids = (isAcked: boolean) => pending.slots.filter((slot) => slot.isAcked === isAcked).map(({ connection }) => connection.id)
    pending.settle({ acked: ids(true), missing: ids(false) })
  }

  #forget (messageId: string, pending: Pending): void {
    if (pending.timer !== null) clearTimeout(pending.timer)
    this.#pending.delete(messageId)
    const siblings = this.#byTopic.get(pending.topic)
    siblings?.delete(pending)
    if (siblings?.size === 0) this.#byTopic.delete(pending.topic)
  }
}

/** Whether what follows the connection's join has the message in it. */
function recovers ({ recovered, position }: StreamState, pending: Pending): boolean {
  return recovered && pending.position !== null && position!.epoch === pending.position.epoch && position!.offset < pending.position.offset
}
