import type { FastifyBaseLogger } from 'fastify'
import type { PresenceList } from '../../schemas/records.js'
import type { ChannelPage, ChannelQuery } from '../../schemas/rest.js'
import type { Connection } from '../socket/connection.js'
import type { PresenceChange, PresenceStore, PresentClient } from '../engine/engine.js'
import { NoPresenceError } from '../errors.js'
import type { EventHub } from '../events.js'
import { encodeFrame } from '../socket/message.js'
import { logThrown } from '../thrown.js'
import { PresenceChanges, type UserChange } from './presence-changes.js'
import { byUser, pageOfPresent } from './presence-pages.js'
import { RecentLists } from './recent-lists.js'
import type { StreamRules } from './stream-rules.js'
import { topicOf } from '../topic-names.js'
import type { Topics } from './topics.js'

/** Maximum number of reads of a list that changes meanwhile; after that the latest one is used. */
const MAX_READS = 5
/** Time for which changes of a channel are collected before its members are told. */
const WINDOW_MS = 100

/** The parts that {@link Presence} needs. */
export interface PresenceParts {
  store: PresenceStore
  topics: Topics
  rules: StreamRules
  events: EventHub
  log: FastifyBaseLogger
}

/** Tracks who is in the channels that have presence by rule, and announces to their members when users join and leave. */
export class Presence {
  readonly #store: PresenceStore
  readonly #topics: Topics
  readonly #rules: StreamRules
  readonly #events: EventHub
  readonly #log: FastifyBaseLogger
  readonly #changes = new PresenceChanges(WINDOW_MS, (channel, changes) => this.#tellChanges(channel, changes))
  readonly #lists = new RecentLists()
  /** Reads of lists in progress, and whether each channel has changed since. */
  readonly #reads = new Set<{ channel: string, isStale: boolean }>()

  constructor ({ store, topics, rules, events, log }: PresenceParts) {
    this.#store = store
    this.#topics = topics
    this.#rules = rules
    this.#events = events
    this.#log = log
    store.onChange((change) => this.#changed(change))
  }

  /** Returns true if the channel has presence. */
  covers (channel: string): boolean {
    return this.#rules.of(topicOf.channel(channel)).presence
  }

  /** Adds a connection. Resolves when all nodes can see it, and at once for a channel without presence. */
  async add (channel: string, connection: Connection): Promise<void> {
    if (this.covers(channel)) await this.#store.add(channel, entryOf(connection))
  }

  /** Sends a member the presence list; later changes are announced to it like to all members. */
  async tell (channel: string, connection: Connection): Promise<void> {
    if (!this.covers(channel)) return
    const { identity } = connection
    try {
      const { clients, asOf } = await this.#read(channel)
      // It may have switched users or left meanwhile, and must not see the list then.
      if (identity.isOver || !connection.grants.has(channel)) return
      connection.send(encodeFrame({ type: 'presence', channel, ...byUser(clients) }))
      this.#lists.add(channel, connection, asOf)
    } catch (error) {
      logThrown(this.#log, 'warn', error, { channel }, 'the presence list could not be sent to a socket')
    }
  }

  remove (channel: string, connection: Connection): void {
    if (!this.covers(channel)) return
    this.#store.remove(channel, entryOf(connection)).catch((error: unknown) => {
      logThrown(this.#log, 'warn', error, { channel }, 'a socket that left could not be removed from the presence list')
    })
  }

  /**
   * Lists the members of a channel, by user.
   *
   * @throws WSM_ERR_NO_PRESENCE for a channel without presence, WSM_ERR_UNAVAILABLE
   */
  async list (channel: string): Promise<PresenceList> {
    if (!this.covers(channel)) throw new NoPresenceError(channel, channel)
    return byUser((await this.#read(channel)).clients)
  }

  /** Returns a page of the list. */
  async page (channel: string, query: ChannelQuery): Promise<Pick<ChannelPage, 'presence' | 'next'>> {
    return pageOfPresent((await this.#read(channel)).clients, query)
  }

  close (): void {
    this.#changes.close()
    this.#lists.close()
  }

  /** Reads the list, and the number of a change that it certainly includes. */
  async #read (channel: string): Promise<{ clients: PresentClient[], asOf: number }> {
    const read = { channel, isStale: false }
    this.#reads.add(read)
    try {
      let clients
      let asOf
      let reads = 0
      do {
        read.isStale = false
        asOf = this.#changes.number
        clients = await this.#store.list(channel)
        // A change that arrived during the read may be in the list or not, so read again.
      } while (read.isStale && ++reads < MAX_READS)
      return { clients, asOf }
    } finally {
      this.#reads.delete(read)
    }
  }

  #changed (change: PresenceChange): void {
    for (const read of this.#reads) if (read.channel === change.channel) read.isStale = true
    this.#changes.add(change)
  }

  #tellChanges (channel: string, changes: Iterable<UserChange>): void {
    const members = this.#topics.members(topicOf.channel(channel))
    const lists = this.#lists.of(channel)
    for (const { userId, kind, isCancelled, number } of changes) {
      if (isCancelled && lists.size === 0) continue
      const frame = encodeFrame({ type: kind, channel, user_id: userId })
      for (const connection of members) {
        const asOf = lists.get(connection)
        // A member with a list of this change or later knows it already. One whose list is slightly older may have read it between
        // two changes that cancel out, so it is told.
        if (asOf === undefined ? !isCancelled : asOf < number) connection.send(frame)
      }
      if (!isCancelled) this.#events.emit(kind === 'joined' ? 'user_joined' : 'user_left', { channel, userId })
    }
  }
}

function entryOf ({ id, user }: Connection): PresentClient {
  return { client_id: id, user_id: user?.id ?? null }
}
