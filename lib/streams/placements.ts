import { Type, type Static } from '@sinclair/typebox'
import { ChannelName, Nullable, UserId } from '../../schemas/fields.js'
import type { Registry } from '../socket/registry.js'
import { clusterCall } from '../cluster/call.js'
import type { Cluster } from '../engine/engine.js'
import { IdentityChangedError, TooManyChannelsError, UnavailableError } from '../errors.js'
import type { Memberships } from './memberships.js'

/** A socket, and the channel that it is added to or removed from. */
const Placement = Type.Object({
  client_id: Type.String(),
  /** The user that the socket must belong to; null: it must be anonymous; missing: any user. */
  user_id: Type.Optional(Nullable(UserId)),
  channel: ChannelName
})
export type Placement = Static<typeof Placement>

/** False: the node has no such socket. An object: the socket has reached its maximum number of channels. */
const Placed = Type.Union([Type.Boolean(), Type.Object({ max_channels: Type.Integer() })])
type Placed = Static<typeof Placed>

const calls = {
  join: clusterCall('join', { request: Placement, response: Placed }),
  leave: clusterCall('leave', { request: Placement, response: Placed })
}

/** Adds sockets of any node to channels and removes them; each node handles its own sockets. */
export class Placements {
  readonly #cluster: Cluster
  readonly #registry: Registry
  readonly #memberships: Memberships

  constructor (cluster: Cluster, registry: Registry, memberships: Memberships) {
    this.#cluster = cluster
    this.#registry = registry
    this.#memberships = memberships
    calls.join.serve(cluster, (placement) => this.#joinHere(placement))
    calls.leave.serve(cluster, (placement) => this.#leaveHere(placement))
  }

  /**
   * Adds a socket to a channel. Resolves to whether it is in the channel.
   *
   * @throws WSM_ERR_TOO_MANY_CHANNELS; WSM_ERR_UNAVAILABLE if a node that may have the socket did not answer, or could not join
   *   the channel; the socket may be in the channel then
   */
  async join (placement: Placement): Promise<boolean> {
    const placed = await this.#place(calls.join, placement, await this.#joinHere(placement))
    if (typeof placed === 'object') throw this.#memberships.limit.relay(placed.max_channels)
    return placed
  }

  /**
   * Removes a socket from a channel. Resolves to whether there is such a socket.
   *
   * @throws WSM_ERR_UNAVAILABLE if a node that may have the socket did not answer
   */
  async leave (placement: Placement): Promise<boolean> {
    return await this.#place(calls.leave, placement, this.#leaveHere(placement)) !== false
  }

  async #place (call: typeof calls[keyof typeof calls], placement: Placement, here: Placed): Promise<Placed> {
    if (here !== false) return here
    const { values, complete } = await call.all(this.#cluster, placement)
    const there = values.find((placed) => placed !== false)
    if (there !== undefined) return there
    if (!complete) throw new UnavailableError('A node that may have the socket did not answer')
    return false
  }

  async #joinHere ({ client_id: clientId, user_id: userId, channel }: Placement): Promise<Placed> {
    const connection = this.#registry.getOpen(clientId, userId)
    if (connection === null) return false
    try {
      await this.#memberships.join(connection, [channel], 'joined')
      // It may have ended or been removed meanwhile.
      return this.#memberships.has(connection, channel)
    } catch (error) {
      if (error instanceof IdentityChangedError) return false
      if (error instanceof TooManyChannelsError) return { max_channels: this.#memberships.maxChannels }
      throw error
    }
  }

  #leaveHere ({ client_id: clientId, user_id: userId, channel }: Placement): boolean {
    const connection = this.#registry.getOpen(clientId, userId)
    if (connection === null) return false
    this.#memberships.leave(connection, channel)
    return true
  }
}
