import { Type, type Static } from '@sinclair/typebox'
import { Nullable } from '../../schemas/fields.js'
import { clusterCall } from '../cluster/call.js'
import type { Connection } from '../socket/connection.js'
import type { Clock, Cluster, Engine } from '../engine/engine.js'
import { toMessage } from '../protocol/delivery.js'
import type { EncodedMessage } from '../socket/encode.js'

const Duration = Type.Integer({ minimum: 0, maximum: 2_147_483_647 })

/** The place of a socket that has ended before it acknowledged a message. */
const Place = Type.Object({
  message_id: Type.String(),
  topic: Type.String(),
  user_id: Type.String(),
  json: Type.String({ pattern: '^\\{"' }),
  /** Age of the message when its place is offered, milliseconds. */
  age_ms: Duration,
  /** When that was, on the clock that all nodes share. Nodes of version 0.2 do not say it. */
  sent_at: Type.Optional(Type.Number()),
  /** How much longer it is waited for. */
  left_ms: Duration,
  /** How long a client may take to acknowledge it before it is sent again. */
  again_ms: Duration
})
export type Place = Static<typeof Place>

/** Whoever has acknowledged in such a place; null: it is given to nobody else any more. */
const Taken = Type.Object({ message_id: Type.String(), user_id: Type.String(), client_id: Nullable(Type.String()) })
export type Taken = Static<typeof Taken>

// Nobody waits for what the others say to them.
const vacantCall = clusterCall('vacant', { request: Place, response: Type.Unknown() })
const takenCall = clusterCall('taken', { request: Taken, response: Type.Unknown() })

interface Vacancy {
  place: Place
  message: EncodedMessage
  /** Who has it, and has not acknowledged yet. */
  taker: { connection: Connection, again: NodeJS.Timeout } | null
  end: NodeJS.Timeout
}

export interface VacancyEvents {
  /** The members of a topic on this node. */
  members: (topic: string) => Connection[]
  /** The sockets of this node that have acknowledged a message which this node does not wait for. */
  early: (messageId: string) => Iterable<Connection>
  /** A socket of another node has acknowledged in a place of this one. */
  onTaken: (taken: Taken & { client_id: string }) => void
}

/** Acknowledged sends whose client has come back to another node: its place there is offered to the sockets of this one. */
export class Vacancies {
  readonly #cluster: Cluster
  readonly #clock: Clock
  readonly #events: VacancyEvents
  /** By message; those of one user are all alike. */
  readonly #vacancies = new Map<string, Set<Vacancy>>()

  constructor ({ cluster, clock }: Pick<Engine, 'cluster' | 'clock'>, events: VacancyEvents) {
    this.#cluster = cluster
    this.#clock = clock
    this.#events = events
    vacantCall.serve(cluster, (place) => this.#open(place))
    takenCall.serve(cluster, (taken) => this.#taken(taken))
  }

  /** Offers a place of this node to the others. */
  offer (place: Place): void {
    vacantCall.all(this.#cluster, { ...place, sent_at: this.#clock.now() - place.age_ms })
  }

  /** A place that was offered has been given to a socket of this node. */
  withdraw (messageId: string, userId: string): void {
    this.#tell({ message_id: messageId, user_id: userId, client_id: null })
  }

  joined (topic: string, connection: Connection): void {
    for (const vacancy of this.#all()) {
      const { place } = vacancy
      if (vacancy.taker === null && place.topic === topic && this.#canTake(place, connection)) this.#give(vacancy, connection)
    }
  }

  /** Whoever has left before it acknowledged leaves its place to the next. */
  left (topic: string, connection: Connection): void {
    for (const vacancy of this.#all()) {
      if (vacancy.taker?.connection !== connection || vacancy.place.topic !== topic) continue
      clearInterval(vacancy.taker.again)
      vacancy.taker = null
    }
  }

  /** False: the connection has no such place. */
  acknowledge (messageId: string, connection: Connection): boolean {
    const vacancy = this.#takenBy(connection, messageId)
    if (vacancy === undefined || vacancy.place.user_id !== connection.user?.id) return false
    this.#fill(vacancy, connection)
    return true
  }

  close (): void {
    for (const vacancy of this.#all()) this.#drop(vacancy)
  }

  #open (place: Place): void {
    const { message_id: id, topic, json, age_ms: ageMs, left_ms: leftMs } = place
    const now = this.#clock.now()
    const { sent_at: sentAt = now - ageMs } = place
    const lateMs = now - sentAt - ageMs
    const vacancy: Vacancy = {
      place,
      message: toMessage({ topic, json, isDroppable: true, isCompressible: true, position: null }),
      taker: null,
      end: setTimeout(() => this.#drop(vacancy), leftMs - lateMs)
    }
    const siblings = this.#vacancies.get(id)
    if (siblings === undefined) this.#vacancies.set(id, new Set([vacancy]))
    else siblings.add(vacancy)
    // It may have come back before its end was noticed, and even have read the message in the history.
    const early = [...this.#events.early(id)].find((connection) => this.#canTake(place, connection))
    if (early !== undefined) return this.#fill(vacancy, early)
    const back = this.#events.members(topic).find((connection) => connection.connectedAt >= sentAt && this.#canTake(place, connection))
    if (back !== undefined) this.#give(vacancy, back)
  }

  #give (vacancy: Vacancy, connection: Connection): void {
    const { place: { user_id: userId, again_ms: againMs }, message } = vacancy
    // It can become another user's, and stay in the topic.
    const send = () => { if (connection.user?.id === userId) connection.send(message) }
    vacancy.taker = { connection, again: setInterval(send, againMs) }
    send()
  }

  #fill (vacancy: Vacancy, { id }: Connection): void {
    const { message_id: messageId, user_id: userId } = vacancy.place
    this.#drop(vacancy)
    this.#tell({ message_id: messageId, user_id: userId, client_id: id })
  }

  #taken (taken: Taken): void {
    const { message_id: id, user_id: userId, client_id: clientId } = taken
    if (clientId !== null) this.#events.onTaken({ ...taken, client_id: clientId })
    // One of those of the user is no longer to be had anywhere.
    const vacancies = [...this.#vacancies.get(id) ?? []].filter(({ place }) => place.user_id === userId)
    const vacancy = vacancies.find(({ taker }) => taker === null)
    if (vacancy !== undefined) this.#drop(vacancy)
  }

  #tell (taken: Taken): void {
    takenCall.all(this.#cluster, taken)
  }

  /** Whether the connection is the user's, and has not taken another place for the same message. */
  #canTake ({ message_id: id, user_id: userId }: Place, connection: Connection): boolean {
    return connection.isOpen && connection.user?.id === userId && this.#takenBy(connection, id) === undefined
  }

  #takenBy (connection: Connection, messageId: string): Vacancy | undefined {
    return [...this.#vacancies.get(messageId) ?? []].find(({ taker }) => taker?.connection === connection)
  }

  #drop (vacancy: Vacancy): void {
    clearTimeout(vacancy.end)
    if (vacancy.taker !== null) clearInterval(vacancy.taker.again)
    const siblings = this.#vacancies.get(vacancy.place.message_id)
    siblings?.delete(vacancy)
    if (siblings?.size === 0) this.#vacancies.delete(vacancy.place.message_id)
  }

  #all (): Vacancy[] {
    return [...this.#vacancies.values()].flatMap((vacancies) => [...vacancies])
  }
}
