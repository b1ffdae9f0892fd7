import type { RecoverFrom } from '../schemas/fields.js'

/** The client's position in each topic. */
export type Positions = Readonly<Record<string, RecoverFrom>>

/** Positions that a client recovers from, and how far back it may read. */
export interface Recovery {
  positions: Positions
  /** By channel: publication time of the oldest message it may read, milliseconds since 1970. */
  notBefore: ReadonlyMap<string, number>
}
