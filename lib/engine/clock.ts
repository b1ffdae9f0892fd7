import type { Clock } from './engine.js'

/** Difference above which a node's own clock counts as wrong, milliseconds. */
export const WRONG_MS = 1_000

/** Clock of a single node. */
export const localClock: Clock = { now: () => Date.now(), offsetMs: 0 }

/** Returns true if this node's own clock is wrong. */
export function isOff ({ offsetMs }: Clock): boolean {
  return Math.abs(offsetMs) > WRONG_MS
}
