import type { Connection, Frame } from './connection.js'
import type { Fail } from './emitter.js'
import type { Positions } from './positions.js'
import type { Requests } from './requests.js'

/** What is done with frames of the protocol, by type. */
export type Receivers = Record<string, (frame: Frame) => unknown>

/** What the parts of a client need of it. */
export interface Core {
  /** URL of the plugin's routes. */
  readonly base: string
  readonly connection: Connection
  /** Reports what failed without anybody who awaits it. */
  readonly fail: Fail
  readonly positions: Positions
  readonly requests: Requests
}
