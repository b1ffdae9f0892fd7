import type { User } from '../user.js'

/** Tells whether tokens are still good: they can be revoked, or expire, after they were verified. */
export interface Standing {
  /** The clock by which revocations count, milliseconds since 1970. */
  now: () => number
  /**
   * Checks a user again in the turn in which something is granted.
   *
   * @param since when the token was verified or checked before, by `now()`
   * @throws WSM_ERR_UNAUTHORIZED where the token has expired, or was revoked since; WSM_ERR_UNAVAILABLE where that cannot be known
   */
  assertStillGood: (user: User, since: number) => void
}
