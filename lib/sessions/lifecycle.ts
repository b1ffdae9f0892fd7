import type { ConnectionData } from '../../schemas/frames/server.js'
import { closeFrameFor, type Admission, type NewIdentity } from './admission.js'
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
  /** Called when a socket has been admitted, and when it has become another user's: its user's open questions are sent to it. */
  onAdmitted: (connection: Connection) => Promise<void>
}

/** What a connection goes through: it opens, authenticates, may become another user's, and ends. */
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

  /** An admission has been confirmed in this turn, and the socket is open. Without a token it now has `auth.timeoutMs` for its first `auth` frame. */
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

  /** A socket is gone: nothing of it stays. */
  end (connection: Connection, end: ConnectionEnd): void {
    this.#slots.ended(connection)
    this.#stopAuthTimer(connection)
    this.#memberships.leaveAll(connection)
    this.#registry.remove(connection)
    connection.log.info({ code: end.code, reason: end.reason }, 'client disconnected')
    if (connection.isAdmitted) this.#events.emit('client_disconnected', { client: connection, ...end })
  }

  /**
   * A token came by frame: the first one admits the connection; a later one refreshes its user, or gives it to another user or, with null,
   * makes it anonymous. Subscriptions that are no longer allowed are left; another user does not keep the channels that the app put the
   * socket in.
   *
   * @throws WSM_ERR_UNAUTHORIZED where the token has been revoked meanwhile, WSM_ERR_UNAVAILABLE where that cannot be known, or where the same
   *   user's new roles cannot be joined: the socket keeps the user, the token and the subscriptions that it had
   */
  async identify (connection: Connection, identity: NewIdentity): Promise<void> {
    const { user, identifiedAt, since } = identity
    // It may have ended meanwhile, and nothing of it must come back.
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
   * What the `connection` frame says (row J2).
   *
   * @param entered the streams that the connection has just come into
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

  /** @param since from when on the channel of the URL may be read, where that was not known at the upgrade */
  async #admit (connection: Connection, since = 0): Promise<void> {
    const { channelId, endpointChannels, recovery: { positions, notBefore } } = connection.origin
    const channels = new Map<string, Grant>(endpointChannels.map((channel) => [channel, 'joined']))
    if (channelId !== null) channels.set(channelId, 'subscribed')
    const recovery = { positions, notBefore: since === 0 ? notBefore : new Map([[channelId!, since]]) }
    const entry = await this.#memberships.prepareEntry(connection, channels, recovery)
    if (!connection.isOpen) return entry.abandon()
    const states = entry.commit()
    connection.isAdmitted = true
    // At once: a socket that has just opened still holds back the answer to its upgrade.
    connection.send(this.#connectionFrame(connection, states))
    connection.flush()
    connection.log.info('client connected')
    this.#slots.taken(connection)
    this.#events.emit('client_connected', { client: connection })
    await entry.catchUp()
    await this.#onAdmitted(connection)
  }

  /**
   * Gives the connection its user's fresh token, or makes it another user's: in one turn, so that it is never half of each. It stays in the
   * topics of both, since a message that is sent meanwhile would be missed.
   */
  async #change (connection: Connection, { user, identifiedAt, forbidden }: NewIdentity): Promise<void> {
    const previous = connection.user
    const isSwitch = previous?.id !== user?.id
    const entry = await this.#memberships.prepareChange(connection, user)
    if (!connection.isOpen || !this.#isConfirmed(connection, user, identifiedAt)) return entry.abandon()
    if (isSwitch) connection.identity.end()
    const lost = this.#leaveIf(connection, (channel, grant) => grant === 'joined' ? isSwitch : forbidden.has(channel))
    this.#memberships.leaveFor(connection, user)
    this.#registry.reindex(connection, () => connection.become(user))
    this.#identified(connection, previous, lost, entry.commit())
    await entry.catchUp()
    if (isSwitch) await this.#onAdmitted(connection)
  }

  /** Leaves channels as of now: the app may have moved the connection since they were asked for. Returns those. */
  #leaveIf (connection: Connection, isLost: (channel: string, grant: Grant) => boolean): string[] {
    const lost = [...connection.grants].filter(([channel, grant]) => isLost(channel, grant)).map(([channel]) => channel)
    for (const channel of lost) this.#memberships.leave(connection, channel)
    return lost
  }

  /** Tells the client and the app of a connection's new token or user. */
  #identified (connection: Connection, previous: User | null, lost: readonly string[], states: readonly StreamState[]): void {
    connection.send(this.#connectionFrame(connection, states))
    for (const channel of lost) connection.send(encodeFrame({ type: 'unsubscribed', channel, reason: 'forbidden' }))
    this.#slots.taken(connection)
    this.#events.emit('identity_changed', { client: connection, previous })
  }

  /** The last check of a token. Closes the socket if the token is no longer good. */
  #isConfirmed (connection: Connection, user: User | null, identifiedAt: number): boolean {
    try {
      this.#admission.confirmIdentity(user, identifiedAt)
      return true
    } catch (error) {
      const { code, reason } = closeFrameFor(error)
      connection.close(code, reason)
      return false
    }
  }

  #connectionFrame (connection: Connection, entered: readonly StreamState[]): EncodedMessage {
    return encodeFrame({ type: 'connection', data: this.describe(connection, entered) })
  }

  #stopAuthTimer (connection: Connection): void {
    clearTimeout(this.#authTimers.get(connection))
    this.#authTimers.delete(connection)
  }
}
