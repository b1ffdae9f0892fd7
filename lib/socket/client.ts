import type { User } from '../user.js'
import type { Recovery } from '../streams/memberships.js'

/** An open socket, as the app sees it. */
export interface Client {
  /** The socket's id; new on every connect. Knowing it grants no access. */
  readonly id: string
  /** null: anonymous, or not authenticated yet. */
  readonly user: User | null
  /** The channels that the socket is a member of, at this moment. */
  readonly channels: readonly string[]
  readonly ip: string
  /** Milliseconds since 1970. */
  readonly connectedAt: number
  /** The latest ping round trip in milliseconds; null before the first. */
  readonly rttMs: number | null
}

/** What a connection keeps of its upgrade: nothing else of the request outlives it. */
export interface ConnectionOrigin {
  ip: string
  /** null: anonymous, or not authenticated yet. */
  user: User | null
  /** When that was known, milliseconds since 1970. */
  identifiedAt: number
  /** Whether the socket waits for its first `auth` frame. */
  awaitsAuth: boolean
  /** The channel of `?channel_id=`. */
  channelId: string | null
  /** Positions of the client's streams, from `?recover=`. */
  recovery: Recovery
  /** The channels of the app's own endpoint. */
  endpointChannels: readonly string[]
  /** Verifies the token of a later `auth` frame. */
  verify: (token: string) => Promise<User>
}

/** Why a connection is a member of a channel: it subscribed and was allowed to, or the app put it there. */
export type Grant = 'subscribed' | 'joined'

/** How a connection ended: the close frame's code and reason, 1006 without one (RFC 6455 section 7.1.5). */
export interface ConnectionEnd { code: number, reason: string }
