import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Connection } from '../connection/connection.js'
import type { Cluster } from '../engine/engine.js'
import { toMessage } from '../protocol/delivery.js'
import type { EncodedMessage } from '../protocol/encode.js'

/** How long other nodes may take to take note. */
const ASK_TIMEOUT_MS = 2_000

const Duration = Type.Integer({ minimum: 0, maximum: 2_147_483_647 })

/** The place of a socket that has ended before it acknowledged a message; durations, since clocks of nodes differ. */
const Place = Type.Object({
  message_id: Type.String(),
  topic: Type.String(),
  user_id: Type.String(),
  json: Type.String({ pattern: '^\\{"' }),
  /** How long ago the message was sent. */
  age_ms: Duration,
  /** How much longer it is waited for. */
  left_ms: Duration,
  /** How long a client may take to acknowledge it before it is sent again. */
  again_ms: Duration
})
export type Place = Static<typeof Place>

/** Whoever has acknowledged in such a place; null: it is given to nobody else any more. */
const Taken = Type.Object({ message_id: Type.String(), user_id: Type.String(), client_id: Type.Union([Type.String(), Type.Null()]) })
export type Taken = Static<typeof Taken>

const checkPlace = TypeCompiler.Compile(Place)
const checkTaken = TypeCompiler.Compile(Taken)

interface Vacancy {
  place: Place
  message: EncodedMessage
  /** Who has it, and has not acknowledged yet. */
  connection: Connection | null
  again: NodeJS.Timeout | null
  end: NodeJS.Timeout
}

export interface VacancyEvents {
  /** The members of a topic on this node. */
  members: (topic: string) => Connection[]
  /** A socket of this node that has acknowledged the message without being asked by this node. */
  early: (messageId: string) => Iterable<Connection>
  /** A socket of another node has acknowledged in a place of this one. */
  onTaken: (taken: Taken & { client_id: string }) => void
}

/** Acknowledged sends whose client has come back to another node: its place there is offered to the sockets of this one. */
export class Vacancies {
  readonly #cluster: Cluster
  readonly #events: VacancyEvents
  /** By message; those of one user are all alike. */
  readonly #vacancies = new Map<string, Set<Vacancy>>()

  constructor (cluster: Cluster, events: VacancyEvents) {
    this.#cluster = cluster
    this.#events = events
    cluster.onAsk('vacant', (data) => checkPlace.Check(data) && this.#open(data))
    cluster.onAsk('taken', (data) => checkTaken.Check(data) && this.#taken(data))
  }

  /** Offers a place of this node to the others. */
  offer (place: Place): void {
    this.#cluster.ask('vacant', place, ASK_TIMEOUT_MS)
  }

  /** A place that was offered has been given to a socket of this node. */
  withdraw (messageId: string, userId: string): void {
    this.#tell({ message_id: messageId, user_id: userId, client_id: null })
  }

  joined (topic: string, connection: Connection): void {
    for (const vacancy of this.#all()) {
      const { place } = vacancy
      if (vacancy.connection === null && place.topic === topic && place.user_id === connection.user?.id && !this.#has(place.message_id, connection)) {
        this.#give(vacancy, connection)
      }
    }
  }

  /** Whoever has left before it acknowledged leaves its place to the next. */
  left (topic: string, connection: Connection): void {
    for (const vacancy of this.#all()) {
      if (vacancy.connection !== connection || vacancy.place.topic !== topic) continue
      if (vacancy.again !== null) clearInterval(vacancy.again)
      vacancy.connection = vacancy.again = null
    }
  }

  /** False: the connection has no such place. */
  acknowledge (messageId: string, connection: Connection): boolean {
    for (const vacancy of this.#vacancies.get(messageId) ?? []) {
      if (vacancy.connection !== connection) continue
      this.#fill(vacancy, connection)
      return true
    }
    return false
  }

  close (): void {
    for (const vacancy of this.#all()) this.#drop(vacancy)
  }

  #open (place: Place): void {
    const { message_id: id, topic, user_id: userId, json, age_ms: ageMs } = place
    const vacancy: Vacancy = {
      place,
      message: toMessage({ topic, json, isDroppable: true, isCompressible: true, position: null }),
      connection: null,
      again: null,
      end: setTimeout(() => this.#drop(vacancy), place.left_ms)
    }
    const siblings = this.#vacancies.get(id)
    if (siblings === undefined) this.#vacancies.set(id, new Set([vacancy]))
    else siblings.add(vacancy)
    const isHis = (connection: Connection) => connection.user?.id === userId && connection.isOpen && !this.#has(id, connection)
    // It may have come back before its end was noticed, and even have read the message in the history.
    for (const connection of this.#events.early(id)) if (isHis(connection)) return this.#fill(vacancy, connection)
    const since = Date.now() - ageMs
    const back = this.#events.members(topic).find((connection) => isHis(connection) && connection.connectedAt >= since)
    if (back !== undefined) this.#give(vacancy, back)
  }

  #give (vacancy: Vacancy, connection: Connection): void {
    vacancy.connection = connection
    connection.send(vacancy.message)
    vacancy.again = setInterval(() => connection.send(vacancy.message), vacancy.place.again_ms)
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
    const vacancy = vacancies.find(({ connection }) => connection === null)
    if (vacancy !== undefined) this.#drop(vacancy)
  }

  #tell (taken: Taken): void {
    this.#cluster.ask('taken', taken, ASK_TIMEOUT_MS)
  }

  #has (messageId: string, connection: Connection): boolean {
    return [...this.#vacancies.get(messageId) ?? []].some((vacancy) => vacancy.connection === connection)
  }

  #drop (vacancy: Vacancy): void {
    clearTimeout(vacancy.end)
    if (vacancy.again !== null) clearInterval(vacancy.again)
    const siblings = this.#vacancies.get(vacancy.place.message_id)
    siblings?.delete(vacancy)
    if (siblings?.size === 0) this.#vacancies.delete(vacancy.place.message_id)
  }

  #all (): Vacancy[] {
    return [...this.#vacancies.values()].flatMap((vacancies) => [...vacancies])
  }
}
