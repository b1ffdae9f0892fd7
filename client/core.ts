import type { ServerClock } from './clock.js'
import type { Frame } from './connection.js'
import type { Fail } from './emitter.js'
import type { Positions } from './positions.js'
import type { CallOptions } from './requests.js'

/** What is done with frames of the protocol, by type. */
export type Frames = Record<string, (frame: Frame) => unknown>

/** What the parts of a client need of it. */
export interface Core {
  readonly clock: ServerClock
  readonly positions: Positions
  readonly isConnected: boolean
  /** Reports what failed without anybody who awaits it. */
  fail: Fail
  /** Sends a frame of the protocol. Resolves to the data of its reply. */
  request: (frame: Frame) => Promise<any>
  /** Calls a handler of the app. */
  call: (type: string, data: object, options?: CallOptions) => Promise<any>
  /** Reads a list by REST: the field of each of its pages. */
  load: (path: string, field: string) => Promise<any[]>
}
