import type { Connection } from './connection.js'
import type { Fail } from './emitter.js'
import type { Positions } from './positions.js'
import type { Requests } from './requests.js'
import type { Frame } from './socket.js'

/** Handlers for frames of the protocol, by type. */
export type Receivers = Record<string, (frame: Frame) => unknown>

/** The shared parts of a client. */
export interface Core {
  /** URL of the plugin's routes. */
  readonly base: string
  readonly wire: Connection
  /** Reports a failure that nobody awaits. */
  readonly fail: Fail
  readonly positions: Positions
  readonly requests: Requests
}
