import type { User } from '../user.js'
import type { Grant } from '../socket/grant.js'
import type { Connection } from '../socket/connection.js'
import type { Identity } from '../socket/identity.js'
import { IdentityChangedError } from '../errors.js'
import type { Limits } from '../telemetry/limits.js'
import type { Recovery } from '../recovery.js'
import type { Acknowledgements } from './acknowledgements.js'
import type { Presence } from './presence.js'
import { channelOf, topicOf, topicsOf } from '../topic-names.js'
import type { JoinRequest, PreparedJoin, StreamState } from './topic.js'
import type { Topics } from './topics.js'

const NOTHING: Recovery = { positions: {}, notBefore: new Map() }
/** A prepared join that its caller always commits, and never abandons. */
type CommittableJoin = Pick<PreparedJoin, 'commit' | 'catchUp'>

/** A join without effect, for a connection that has ended. */
const NO_JOIN: CommittableJoin = { commit: () => [], catchUp: async () => {} }

/** The parts that {@link Memberships} need. */
export interface MembershipsParts {
  topics: Topics
  presence: Presence
  acknowledgements: Acknowledgements
  limit: Limits['channels']
}

/** Keeps every connection in its topics: `all`, those of its user and the user's roles, and its channels. */
export class Memberships {
  readonly #topics: Topics
  readonly #presence: Presence
  readonly #acknowledgements: Acknowledgements
  /** Joins in progress, each as the set of its channels. */
  readonly #joins = new WeakMap<Connection, Set<ReadonlySet<string>>>()
  /** Maximum number of channels of one connection. */
  readonly maxChannels: number
  readonly limit: Limits['channels']

  constructor ({ topics, presence, acknowledgements, limit }: MembershipsParts, maxChannels: number) {
    this.#topics = topics
    this.#presence = presence
    this.#acknowledgements = acknowledgements
    this.maxChannels = maxChannels
    this.limit = limit
  }

  /** Prepares a new connection's first topics: `all`, its user's, and its channels. */
  prepareEntry (connection: Connection, channels: Map<string, Grant>, recovery: Recovery): Promise<PreparedJoin> {
    for (const [channel, grant] of channels) connection.grant(channel, grant)
    return this.#prepare(connection, [...channels.keys()], topicsOf(connection.user), recovery)
  }

  /**
   * Prepares the topics that a connection gains with a fresh token (new roles) or another user. In the turn of the change the caller
   * calls `leaveFor`, sets the connection's user, and commits; after a switch of users, `catchUp` adds the new user to the presence of
   * the channels that the connection is still in.
   */
  async prepareChange (connection: Connection, user: User | null): Promise<PreparedJoin> {
    const held = topicsOf(connection.user)
    const { commit, catchUp, abandon } = await this.#prepare(connection, [], topicsOf(user).filter((topic) => !held.includes(topic)), NOTHING)
    if (user?.id === connection.user?.id) return { commit, catchUp, abandon }
    let channels: readonly string[] = []
    return {
      commit: () => {
        channels = connection.channels
        return commit()
      },
      catchUp: async () => {
        await catchUp()
        await Promise.all(channels.map((channel) => this.#appear(channel, connection)))
      },
      abandon
    }
  }

  /** Removes a connection from the topics that its next user does not have; if that is another user, also the current one from the presence of its channels. */
  leaveFor (connection: Connection, next: User | null): void {
    if (next?.id !== connection.user?.id) for (const channel of connection.channels) this.#presence.remove(channel, connection)
    const kept = topicsOf(next)
    for (const topic of topicsOf(connection.user)) if (!kept.includes(topic)) this.#leave(topic, connection)
  }

  /** Removes a connection from all topics. */
  leaveAll (connection: Connection): void {
    for (const channel of connection.channels) this.leave(connection, channel)
    for (const topic of topicsOf(connection.user)) this.#leave(topic, connection)
  }

  /**
   * Joins channels: all or none. Joining twice is harmless, also concurrently: a failed join leaves a channel only if no other join of
   * it has succeeded or is in progress. Of two grants, the app's takes precedence.
   *
   * @throws WSM_ERR_TOO_MANY_CHANNELS, WSM_ERR_UNAVAILABLE; WSM_ERR_IDENTITY_CHANGED if the socket switches to another user meanwhile:
   *   it is then in none of them
   */
  async join (connection: Connection, channels: readonly string[], grant: Grant): Promise<void> {
    const joining = await this.prepareJoin(connection, channels, grant)
    joining.commit()
    await joining.catchUp()
  }

  /**
   * Prepares a join of channels, for a caller that notifies the client between `commit` and `catchUp`. Each of the three steps throws
   * WSM_ERR_IDENTITY_CHANGED if the socket has switched to another user; otherwise as `join`.
   *
   * @param recovery the client's positions in the topics
   * @param topics further topics that the connection is in already, and recovers
   */
  async prepareJoin (connection: Connection, channels: readonly string[], grant: Grant, recovery = NOTHING, topics: readonly string[] = []): Promise<CommittableJoin> {
    // The socket's leaving has been or will be announced, so it must not join anything.
    if (!connection.isOpen) return NO_JOIN
    const { identity } = connection
    assertLasts(identity)
    const after = new Set([...connection.channels, ...channels])
    if (after.size > this.maxChannels) throw this.limit.refuse(this.maxChannels)
    const before = new Map(channels.map((channel) => [channel, connection.grants.get(channel)]))
    for (const [channel, held] of before) if (held !== 'joined') connection.grant(channel, grant)
    const joins = this.#joins.get(connection) ?? new Set()
    const join = new Set(channels)
    this.#joins.set(connection, joins.add(join))
    try {
      const { commit, catchUp, abandon } = await this.#prepare(connection, channels, topics, recovery)
      return {
        commit: () => {
          joins.delete(join)
          if (identity.isOver) {
            abandon()
            throw new IdentityChangedError()
          }
          return commit()
        },
        catchUp: async () => {
          await catchUp()
          assertLasts(identity)
        }
      }
    } catch (error) {
      joins.delete(join)
      // After a switch the memberships are the next user's.
      if (!identity.isOver) for (const [channel, held] of before) this.#undo(connection, channel, held)
      throw error
    }
  }

  leave (connection: Connection, channel: string): void {
    if (!connection.revoke(channel)) return
    this.#leave(topicOf.channel(channel), connection)
    this.#presence.remove(channel, connection)
  }

  /** Returns true if the connection is a member of a channel; false while it is still joining. */
  has (connection: Connection, channel: string): boolean {
    return this.#topics.has(topicOf.channel(channel), connection)
  }

  /** Returns the connection's state in each of its streams. */
  states (connection: Connection): StreamState[] {
    return [...topicsOf(connection.user), ...connection.channels.map(topicOf.channel)]
      .map((topic) => this.#topics.stateOf(topic, connection))
      .filter((state) => state !== null)
  }

  /**
   * Restores a channel's grant after a failed join, and leaves the channel unless another join makes the connection a member.
   *
   * @param held the grant before the join; undefined: none
   */
  #undo (connection: Connection, channel: string, held: Grant | undefined): void {
    // Left meanwhile.
    if (!connection.grants.has(channel)) return
    if (held !== undefined) connection.grant(channel, held)
    const isJoining = [...this.#joins.get(connection)!].some((join) => join.has(channel))
    if (!isJoining && !this.has(connection, channel)) this.leave(connection, channel)
  }

  /** Prepares topics and channels. For channels with presence, `catchUp` also sends the connection the list. */
  async #prepare (connection: Connection, channels: readonly string[], topics: readonly string[], { positions, notBefore }: Recovery): Promise<PreparedJoin> {
    const { identity } = connection
    await Promise.all(channels.map((channel) => this.#appear(channel, connection)))
    // The app may have removed it from a channel meanwhile; after a switch of users none is left.
    const remaining = channels.filter((channel) => !identity.isOver && connection.grants.has(channel))
    const request = (topic: string, channel: string): JoinRequest => (
      { topic, since: Object.hasOwn(positions, topic) ? positions[topic]! : null, notBefore: notBefore.get(channel) ?? 0 })
    const requests = [...topics.map((topic) => request(topic, '')), ...remaining.map((channel) => request(topicOf.channel(channel), channel))]
    const { commit, catchUp, abandon } = await this.#topics.prepare(connection, requests)
    let states: StreamState[] = []
    return {
      commit: () => {
        states = commit()
        return states
      },
      catchUp: async () => {
        // The app's listeners may have removed it again in this turn.
        for (const state of states) if (this.#topics.has(state.topic, connection)) this.#acknowledgements.joined(state, connection)
        const joined = states.map(({ topic }) => channelOf(topic)).filter((channel) => channel !== null)
        const told = Promise.all(joined.map((channel) => this.#presence.tell(channel, connection)))
        await catchUp()
        await told
      },
      abandon
    }
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
