import type { User } from '../user.js'

/** Re-checks verified tokens, which may have been revoked or expired since. */
export interface TokenCheck {
  /** Clock for revocations, milliseconds since 1970. */
  now: () => number
  /**
   * Re-checks a user in the same turn in which something is granted.
   *
   * @param since time at which the token was verified or last checked, by `now()`
   * @throws WSM_ERR_UNAUTHORIZED if the token has expired or was revoked since; WSM_ERR_UNAVAILABLE if that is unknown
   */
  assertTokenStillValid: (user: User, since: number) => void
}
