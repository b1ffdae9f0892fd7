import type { ConnectionData } from '../../schemas/frames/server.js'
import type { Admission, NewIdentity } from './admission.js'
import { closeFrameFor } from './close-frame.js'
import type { UserSlots } from './user-slots.js'
import type { User } from '../user.js'
import { closeCodes } from '../../schemas/codes.js'
import type { EventHub } from '../events.js'
import { encodeFrame, type EncodedMessage } from '../socket/message.js'
import type { Counters } from '../telemetry/counters.js'
import { logThrown } from '../thrown.js'
import type { Memberships } from '../streams/memberships.js'
import type { StreamState } from '../streams/topic.js'
import type { ConnectionEnd } from '../client.js'
import type { Grant } from '../socket/grant.js'
import type { Connection } from '../socket/connection.js'
import type { Registry } from '../socket/registry.js'

/** The parts that a {@link Lifecycle} needs. */
export interface LifecycleParts {
  registry: Registry
  memberships: Memberships
  admission: Admission
  slots: UserSlots
  events: EventHub
  counters: Counters
  /** Time allowed for the first `auth` frame. */
  authTimeoutMs: number
  /** Called when a socket has been admitted or has switched users; sends it the open questions of its user. */
  onAdmitted: (connection: Connection) => Promise<void>
}

/** Takes a connection through its life: opening, authentication, changes of identity, end. */
export class Lifecycle {
  readonly #registry: Registry
  readonly #memberships: Memberships
  readonly #admission: Admission
  readonly #slots: UserSlots
  readonly #onAdmitted: (connection: Connection) => Promise<void>
  readonly #events: EventHub
  readonly #counters: Counters
  readonly #authTimeoutMs: number
  readonly #authTimers = new Map<Connection, NodeJS.Timeout>()

  constructor ({ registry, memberships, admission, slots, events, counters, authTimeoutMs, onAdmitted }: LifecycleParts) {
    this.#registry = registry
    this.#memberships = memberships
    this.#admission = admission
    this.#slots = slots
    this.#events = events
    this.#counters = counters
    this.#authTimeoutMs = authTimeoutMs
    this.#onAdmitted = onAdmitted
  }

  /** Opens a connection whose admission was confirmed in this turn. Without a token it has `auth.timeoutMs` for its first `auth` frame. */
  open (connection: Connection): void {
    this.#slots.opened(connection)
    this.#registry.add(connection)
    if (connection.origin.awaitsAuth) {
      this.#authTimers.set(connection, setTimeout(() => {
        this.#authTimers.delete(connection)
        this.#counters.limits.auth_timeouts.close(connection)
      }, this.#authTimeoutMs))
      return
    }
    connection.inbox.hold(this.#orClose(connection, this.#admit(connection)))
  }

  /** Releases everything that belongs to a socket that has ended. */
  end (connection: Connection, end: ConnectionEnd): void {
    this.#slots.ended(connection)
    this.#stopAuthTimer(connection)
    this.#memberships.leaveAll(connection)
    this.#registry.remove(connection)
    connection.log.info({ code: end.code, reason: end.reason }, 'client disconnected')
    if (connection.isAdmitted) this.#events.emit('client_disconnected', { client: connection, ...end })
  }

  /**
   * Applies the token of an `auth` frame. The first one admits the connection; a later one refreshes its user, or switches it to another
   * user or, with null, to anonymous. Subscriptions that are no longer allowed are left; a switch also ends the memberships that the app
   * has given the socket.
   *
   * @throws WSM_ERR_UNAUTHORIZED if the token was revoked meanwhile; WSM_ERR_UNAVAILABLE if that is unknown, or if the same user's new
   *   roles cannot be joined. The socket then keeps its user, token and subscriptions
   */
  async changeIdentity (connection: Connection, identity: NewIdentity): Promise<void> {
    const { user, identifiedAt, since } = identity
    // It may have ended meanwhile, and must not be registered again.
    if (!connection.isOpen) return
    this.#admission.confirmIdentity(user, identifiedAt)
    if (connection.isAdmitted) {
      const changed = this.#change(connection, identity)
      return connection.user?.id === user?.id ? changed : this.#orClose(connection, changed)
    }
    this.#stopAuthTimer(connection)
    this.#registry.reindex(connection, () => connection.become(user))
    await this.#orClose(connection, this.#admit(connection, since))
  }

  /**
   * Returns the data of the `connection` frame (row J2).
   *
   * @param entered the streams that the connection has just joined
   */
  describe (connection: Connection, entered: readonly StreamState[] = []): ConnectionData {
    return {
      client_id: connection.id,
      user_id: connection.user?.id ?? null,
      channel_id: connection.origin.channelId,
      channels: connection.channels,
      expires_at: connection.user?.expiresAt ?? null,
      protocol: connection.protocol,
      streams: this.#memberships.states(connection).flatMap(({ topic, position }) => {
        if (position === null) return []
        const { recovered = false, missed = 0 } = entered.find((state) => state.topic === topic) ?? {}
        return [{ topic, epoch: position.epoch, offset: position.offset, recovered, missed }]
      })
    }
  }

  /** Closes a socket that could not join its topics: it would silently miss messages. */
  async #orClose (connection: Connection, entered: Promise<void>): Promise<void> {
    try {
      await entered
    } catch (error) {
      logThrown(connection.log, 'error', error, {}, 'the connection could not be admitted')
      connection.close(closeCodes.internalError, 'The server could not admit the socket')
    }
  }

  /**
   * Joins the first topics, and announces the connection.
   *
   * @param since moment from which the channel of the URL may be read, if that was not known at the upgrade
   */
  async #admit (connection: Connection, since = 0): Promise<void> {
    const { channelId, endpointChannels, recovery: { positions, notBefore } } = connection.origin
    const channels = new Map<string, Grant>(endpointChannels.map((channel) => [channel, 'joined']))
    if (channelId !== null) channels.set(channelId, 'subscribed')
    const recovery = { positions, notBefore: since === 0 ? notBefore : new Map([[channelId!, since]]) }
    const entry = await this.#memberships.prepareEntry(connection, channels, recovery)
    if (!connection.isOpen) return entry.abandon()
    const states = entry.commit()
    connection.isAdmitted = true
    // Flushed at once, so that the frame leaves together with the answer to the upgrade, which is still held back.
    connection.send(this.#connectionFrame(connection, states))
    connection.flush()
    connection.log.info('client connected')
    this.#slots.taken(connection)
    this.#events.emit('client_connected', { client: connection })
    await entry.catchUp()
    await this.#onAdmitted(connection)
  }

  /**
   * Refreshes the connection's user or switches it to another, in one turn, so that it never belongs to both. It stays in the topics
   * that both have, so that it misses no message sent meanwhile.
   */
  async #change (connection: Connection, { user, identifiedAt, forbidden }: NewIdentity): Promise<void> {
    const previous = connection.user
    const isSwitch = previous?.id !== user?.id
    const entry = await this.#memberships.prepareChange(connection, user)
    if (!connection.isOpen) return entry.abandon()
    try {
      this.#admission.confirmIdentity(user, identifiedAt)
    } catch (error) {
      entry.abandon()
      // The same user keeps the previous token; a socket of another user must not go on.
      if (!isSwitch) throw error
      const { code, reason } = closeFrameFor(error)
      return connection.close(code, reason)
    }
    if (isSwitch) connection.identity.end()
    const lost = this.#leaveIf(connection, (channel, grant) => grant === 'joined' ? isSwitch : forbidden.has(channel))
    this.#memberships.leaveFor(connection, user)
    this.#registry.reindex(connection, () => connection.become(user))
    this.#announceIdentity(connection, previous, lost, entry.commit())
    await entry.catchUp()
    if (isSwitch) await this.#onAdmitted(connection)
  }

  /** Leaves channels, and returns them. Uses the current grants, which the app may have changed since the permissions were asked for. */
  #leaveIf (connection: Connection, isLost: (channel: string, grant: Grant) => boolean): string[] {
    const lost = [...connection.grants].filter(([channel, grant]) => isLost(channel, grant)).map(([channel]) => channel)
    for (const channel of lost) this.#memberships.leave(connection, channel)
    return lost
  }

  /** Announces a connection's new token or user to the client and the app. */
  #announceIdentity (connection: Connection, previous: User | null, lost: readonly string[], states: readonly StreamState[]): void {
    connection.send(this.#connectionFrame(connection, states))
    for (const channel of lost) connection.send(encodeFrame({ type: 'unsubscribed', channel, reason: 'forbidden' }))
    this.#slots.taken(connection)
    this.#events.emit('identity_changed', { client: connection, previous })
  }

  #connectionFrame (connection: Connection, entered: readonly StreamState[]): EncodedMessage {
    return encodeFrame({ type: 'connection', data: this.describe(connection, entered) })
  }

  #stopAuthTimer (connection: Connection): void {
    clearTimeout(this.#authTimers.get(connection))
    this.#authTimers.delete(connection)
  }
}
