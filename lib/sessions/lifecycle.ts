import type { ConnectionData } from '../../schemas/frames/server.js'
import { closeCodeFor } from './admission.js'
import { type Permissions, isDenial } from '../auth/permissions.js'
import type { Revocations } from './revocations.js'
import type { User } from '../user.js'
import { closeCodes } from '../../schemas/codes.js'
import type { EventHub } from '../events.js'
import { encode, type EncodedMessage } from '../socket/encode.js'
import type { Counters } from '../telemetry/counters.js'
import { logThrown } from '../thrown.js'
import type { Memberships } from '../streams/memberships.js'
import type { StreamState } from '../streams/topics.js'
import type { ConnectionEnd } from '../client.js'
import type { Grant } from '../socket/grant.js'
import type { Connection } from '../socket/connection.js'
import type { Registry } from '../socket/registry.js'

/** The parts that a {@link Lifecycle} needs. */
export interface LifecycleParts {
  registry: Registry
  memberships: Memberships
  permissions: Permissions
  revocations: Revocations
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
  readonly #permissions: Permissions
  readonly #revocations: Revocations
  readonly #onAdmitted: (connection: Connection) => Promise<void>
  readonly #events: EventHub
  readonly #counters: Counters
  readonly #authTimeoutMs: number
  readonly #authTimers = new Map<Connection, NodeJS.Timeout>()

  constructor ({ registry, memberships, permissions, revocations, events, counters, authTimeoutMs, onAdmitted }: LifecycleParts) {
    this.#registry = registry
    this.#memberships = memberships
    this.#permissions = permissions
    this.#revocations = revocations
    this.#events = events
    this.#counters = counters
    this.#authTimeoutMs = authTimeoutMs
    this.#onAdmitted = onAdmitted
  }

  /** A socket is open. Without a token it now has `auth.timeoutMs` for its first `auth` frame. */
  open (connection: Connection): void {
    this.#registry.add(connection)
    if (connection.origin.awaitsAuth) {
      this.#authTimers.set(connection, setTimeout(() => {
        this.#authTimers.delete(connection)
        this.#counters.refusals.auth_timeouts++
        connection.close(closeCodes.timeout, 'No auth frame in time')
      }, this.#authTimeoutMs))
      return
    }
    if (!this.#isGood(connection, connection.user, connection.origin.identifiedAt)) return
    connection.inbox.hold(this.#orClose(connection, this.#admit(connection)))
  }

  /** A socket is gone: nothing of it stays. */
  end (connection: Connection, end: ConnectionEnd): void {
    this.#stopAuthTimer(connection)
    this.#memberships.leaveAll(connection)
    this.#registry.remove(connection)
    connection.log.info({ code: end.code, reason: end.reason }, 'client disconnected')
    if (connection.isAdmitted) this.#events.emit('client_disconnected', { client: connection, ...end })
  }

  /**
   * A verified token came by frame: the first one admits the connection; a later one refreshes its user, or gives it
   * to another user or, with null, to nobody. Subscriptions are asked for again, and left where they are no longer
   * allowed; another user does not keep the channels that the app put the socket in.
   *
   * @throws WSM_ERR_UNAUTHORIZED where the token has been revoked meanwhile; WSM_ERR_UNAVAILABLE, or an error of the app's own, where
   *   `authorizeSubscribe` did not decide: the socket keeps the user, the token and the subscriptions that it had
   */
  async identify (connection: Connection, user: User | null): Promise<void> {
    const verifiedAt = this.#revocations.now()
    if (!connection.isAdmitted) return this.#admitAs(connection, user)
    const previous = connection.user
    const isSame = previous?.id === user?.id
    const forbidden = new Set<string>()
    for (const [channel, grant] of connection.grants) {
      if (grant === 'subscribed' && !await this.#maySubscribe(user, channel, connection)) forbidden.add(channel)
    }
    // It may have ended meanwhile, and nothing of it must come back.
    if (!connection.isOpen) return
    if (user !== null) this.#revocations.assertStillGood(user, verifiedAt)
    const commit = (enter: () => StreamState[]) => {
      if (!this.#isGood(connection, user, verifiedAt)) return
      // In one turn: the socket is the old user's, then the new one's, and never half of each.
      if (!isSame) connection.identity.end()
      // As of now: the app may have moved the socket meanwhile.
      const lost = [...connection.grants].flatMap(([channel, grant]) =>
        (grant === 'joined' ? !isSame : forbidden.has(channel)) ? [channel] : [])
      for (const channel of lost) this.#memberships.leave(connection, channel)
      const entered = enter()
      connection.send(this.#connectionFrame(connection, entered))
      for (const channel of lost) connection.send(encode({ type: 'unsubscribed', channel, reason: 'forbidden' }))
      this.#events.emit('identity_changed', { client: connection, previous })
    }
    const become = () => this.#registry.reindex(connection, () => connection.become(user))
    if (isSame) {
      // A refreshed user does not leave and come back: what is sent in between would be missed.
      commit(() => {
        become()
        return []
      })
      return
    }
    await this.#orClose(connection, this.#memberships.switchUser(connection, user, become, commit)
      .then(() => this.#onAdmitted(connection)))
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

  async #admitAs (connection: Connection, user: User | null): Promise<void> {
    const { channelId } = connection.origin
    const verifiedAt = this.#revocations.now()
    // With a token at the upgrade this was asked before the socket opened.
    const since = channelId === null ? 0 : await this.#permissions.subscribe(user, channelId, connection)
    if (!connection.isOpen) return
    if (user !== null) this.#revocations.assertStillGood(user, verifiedAt)
    this.#stopAuthTimer(connection)
    this.#registry.reindex(connection, () => connection.become(user))
    await this.#orClose(connection, this.#admit(connection, since))
  }

  /**
   * The last check, in the turn in which the socket becomes the user's: from then on a revocation finds it. Closes the socket if
   * the token was revoked, or has expired, since it was verified.
   */
  #isGood (connection: Connection, user: User | null, verifiedAt: number): boolean {
    try {
      if (user !== null) this.#revocations.assertStillGood(user, verifiedAt)
      return true
    } catch (error) {
      connection.close(closeCodeFor(error), (error as Error).message)
      return false
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
    await this.#memberships.enter(connection, channels, recovery, (enter) => {
      connection.isAdmitted = true
      // At once: a socket that has just opened still holds back the answer to its upgrade.
      connection.send(this.#connectionFrame(connection, enter()))
      connection.flush()
      connection.log.info('client connected')
      this.#events.emit('client_connected', { client: connection })
    })
    await this.#onAdmitted(connection)
  }

  async #maySubscribe (user: User | null, channel: string, connection: Connection): Promise<boolean> {
    try {
      await this.#permissions.subscribe(user, channel, connection)
      return true
    } catch (error) {
      if (isDenial(error)) return false
      throw error
    }
  }

  #connectionFrame (connection: Connection, entered: readonly StreamState[]): EncodedMessage {
    return encode({ type: 'connection', data: this.describe(connection, entered) })
  }

  #stopAuthTimer (connection: Connection): void {
    clearTimeout(this.#authTimers.get(connection))
    this.#authTimers.delete(connection)
  }
}
