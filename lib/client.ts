import type { AdmittedUser, User } from './user.js'

/** An open socket, as the app sees it, perhaps before it has said whose it is. */
export interface AnyClient {
  /** Socket id, new on every connect. Knowing it grants no access. */
  readonly id: string
  /** null: anonymous, or not authenticated yet. */
  readonly user: User | null
  /** Channels that the socket is a member of right now. */
  readonly channels: readonly string[]
  readonly ip: string
  /** Milliseconds since 1970. */
  readonly connectedAt: number
  /** The latest ping round trip in milliseconds; null before the first. */
  readonly rttMs: number | null
}

/** An open socket that is authenticated, or may be anonymous. */
export interface Client extends AnyClient {
  /** Current user; null (anonymous) only with `anonymous: true` in `Register`. */
  readonly user: AdmittedUser
}

/** End of a connection: the close frame's code and reason, 1006 without one (RFC 6455 section 7.1.5). */
export interface ConnectionEnd { code: number, reason: string }
