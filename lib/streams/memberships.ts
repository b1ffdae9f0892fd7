import type { User } from '../user.js'
import type { Grant } from '../socket/grant.js'
import type { Connection } from '../socket/connection.js'
import type { Identity } from '../socket/identity.js'
import { IdentityChangedError, TooManyChannelsError } from '../errors.js'
import type { Recovery } from '../recovery.js'
import type { Acknowledgements } from './acknowledgements.js'
import type { Presence } from './presence.js'
import { topicOf } from '../topic-names.js'
import type { JoinRequest } from './topic.js'
import type { StreamState, Topics } from './topics.js'

const NOTHING: Recovery = { positions: {}, notBefore: new Map() }

/** Who belongs where: every connection to `all` and to its user, and to the channels that it joined. */
export class Memberships {
  readonly #topics: Topics
  readonly #presence: Presence
  readonly #acknowledgements: Acknowledgements
  /** Joins under way, each by its channels. */
  readonly #joins = new WeakMap<Connection, Set<ReadonlySet<string>>>()
  /** Maximum number of channels of one connection. */
  readonly maxChannels: number

  constructor (topics: Topics, presence: Presence, acknowledgements: Acknowledgements, maxChannels: number) {
    this.#topics = topics
    this.#presence = presence
    this.#acknowledgements = acknowledgements
    this.maxChannels = maxChannels
  }

  /**
   * A connection becomes a member of all that it has from the beginning. In the turn in which nothing of that can be missed
   * any more, `commit` tells the client so; it must call `enter`, and what it says comes before every message.
   */
  async enter (connection: Connection, channels: Map<string, Grant>, recovery: Recovery, commit: (enter: () => StreamState[]) => void): Promise<void> {
    for (const [channel, grant] of channels) connection.grant(channel, grant)
    await this.#enter(connection, [...channels.keys()], topicsOf(connection.user), recovery, commit)
  }

  /**
   * The connection is given to another user: until `commit` it is wholly the old user's, and from `enter` on the new one's.
   *
   * @param become gives the connection its new user
   */
  async switchUser (connection: Connection, user: User | null, become: () => void, commit: (enter: () => StreamState[]) => void): Promise<void> {
    const channels: string[] = []
    // Of the new user's topics the connection is in the one for all already.
    await this.#enter(connection, [], user === null ? [] : [topicOf.user(user.id)], NOTHING, (enter) => commit(() => {
      channels.push(...connection.channels)
      for (const channel of channels) this.#presence.remove(channel, connection)
      this.leaveUser(connection)
      become()
      return enter()
    }))
    await Promise.all(channels.map((channel) => this.#appear(channel, connection)))
  }

  /** From now on nothing but what is sent to it alone reaches the connection. */
  leaveAll (connection: Connection): void {
    for (const channel of connection.channels) this.leave(connection, channel)
    this.leaveUser(connection)
    this.#leave(topicOf.all, connection)
  }

  leaveUser (connection: Connection): void {
    if (connection.user !== null) this.#leave(topicOf.user(connection.user.id), connection)
  }

  /**
   * All of the channels or none. Joining one twice is harmless, also at once: a channel is left only when no join of it has
   * succeeded or is under way. Of two grants that of the app counts. `commit` is called as for `enter`.
   *
   * @param recovery what the client has of the topics
   * @param topics others that the connection is in, and recovers
   * @throws WSM_ERR_TOO_MANY_CHANNELS, WSM_ERR_UNAVAILABLE; WSM_ERR_IDENTITY_CHANGED where the socket becomes another user's
   *   meanwhile: it is in none of them then
   */
  async join (connection: Connection, channels: readonly string[], grant: Grant, recovery = NOTHING,
    commit: (states: StreamState[]) => void = () => {}, topics: readonly string[] = []): Promise<void> {
    // Closed: its leaving has been announced, or will be, so it must not join anything.
    if (!connection.isOpen) return
    const { identity } = connection
    assertLasts(identity)
    const after = new Set([...connection.channels, ...channels])
    if (after.size > this.maxChannels) throw new TooManyChannelsError(this.maxChannels)
    const before = new Map(channels.map((channel) => [channel, connection.grants.get(channel)]))
    for (const [channel, held] of before) if (held !== 'joined') connection.grant(channel, grant)
    const joins = this.#joins.get(connection) ?? new Set()
    const join = new Set(channels)
    this.#joins.set(connection, joins.add(join))
    try {
      await this.#enter(connection, channels, topics, recovery, (enter) => commit(enter()))
      joins.delete(join)
    } catch (error) {
      joins.delete(join)
      // The next user's memberships are not this one's to end.
      if (!identity.isOver) for (const [channel, held] of before) this.#undo(connection, channel, held)
      throw error
    }
    assertLasts(identity)
  }

  leave (connection: Connection, channel: string): void {
    if (!connection.revoke(channel)) return
    this.#leave(topicOf.channel(channel), connection)
    this.#presence.remove(channel, connection)
  }

  /** Tells whether the connection is a member of a channel, and not only on its way into it. */
  has (connection: Connection, channel: string): boolean {
    return this.#topics.has(topicOf.channel(channel), connection)
  }

  /** Where the connection is in its streams. */
  states (connection: Connection): StreamState[] {
    return [...topicsOf(connection.user), ...connection.channels.map(topicOf.channel)]
      .map((topic) => this.#topics.stateOf(topic, connection))
      .filter((state) => state !== null)
  }

  /**
   * A join of a channel has failed: the connection is what it was, unless another join makes it a member.
   *
   * @param held the grant from before it; undefined: none
   */
  #undo (connection: Connection, channel: string, held: Grant | undefined): void {
    // Left meanwhile.
    if (!connection.grants.has(channel)) return
    if (held !== undefined) connection.grant(channel, held)
    const isJoining = [...this.#joins.get(connection)!].some((join) => join.has(channel))
    if (!isJoining && !this.has(connection, channel)) this.leave(connection, channel)
  }

  /** Into topics, some of them those of channels, in one moment; and told who is there. */
  async #enter (connection: Connection, channels: readonly string[], topics: readonly string[], { positions, notBefore }: Recovery,
    commit: (enter: () => StreamState[]) => void): Promise<void> {
    const { identity } = connection
    await Promise.all(channels.map((channel) => this.#appear(channel, connection)))
    // The app may have taken it out of one meanwhile; of another user's socket it is in none.
    const remaining = channels.filter((channel) => !identity.isOver && connection.grants.has(channel))
    const request = (topic: string, channel: string): JoinRequest => (
      { topic, since: Object.hasOwn(positions, topic) ? positions[topic]! : null, notBefore: notBefore.get(channel) ?? 0 })
    const requests = [...topics.map((topic) => request(topic, '')), ...remaining.map((channel) => request(topicOf.channel(channel), channel))]
    let told: Promise<unknown> | null = null
    await this.#topics.join(connection, requests, (enter) => {
      if (identity.isOver) return
      let states: StreamState[] = []
      commit(() => {
        states = enter()
        return states
      })
      for (const state of states) this.#acknowledgements.joined(state, connection)
      told = Promise.all(remaining.map((channel) => this.#presence.tell(channel, connection)))
    })
    await told
  }

  #leave (topic: string, connection: Connection): void {
    this.#topics.leave(topic, connection)
    this.#acknowledgements.left(topic, connection)
  }

  async #appear (channel: string, connection: Connection): Promise<void> {
    await this.#presence.add(channel, connection)
    // It may have left while it was added.
    if (!connection.grants.has(channel)) this.#presence.remove(channel, connection)
  }
}

/** @throws WSM_ERR_IDENTITY_CHANGED */
function assertLasts (identity: Identity): void {
  if (identity.isOver) throw new IdentityChangedError()
}

/** The topics that a connection is always in. */
function topicsOf (user: User | null): string[] {
  return user === null ? [topicOf.all] : [topicOf.all, topicOf.user(user.id)]
}
