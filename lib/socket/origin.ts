import type { Recovery } from '../recovery.js'
import type { User } from '../user.js'

/** The facts that a connection keeps from its upgrade; nothing else of the request outlives it. */
export interface ConnectionOrigin {
  ip: string
  /** null: anonymous, or not authenticated yet. */
  user: User | null
  /** Time of the user's identification, milliseconds since 1970. */
  identifiedAt: number
  /** True if the socket waits for its first `auth` frame. */
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
