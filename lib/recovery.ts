import type { RecoverFrom } from '../schemas/fields.js'

/** What a client has of which topic. */
export type Positions = Readonly<Record<string, RecoverFrom>>

/** The positions that a client recovers from, and how far back it may read. */
export interface Recovery {
  positions: Positions
  /** By channel: when the oldest message that may be read was published, milliseconds since 1970. */
  notBefore: ReadonlyMap<string, number>
}
