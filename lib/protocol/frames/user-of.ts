import type { User } from '../../user.js'
import type { Connection } from '../../socket/connection.js'
import { UnauthorizedError } from '../../errors.js'

/** Returns the user of a socket. @throws WSM_ERR_UNAUTHORIZED for an anonymous one */
export function userOf (connection: Connection): User {
  if (connection.user === null) throw new UnauthorizedError('An anonymous socket cannot do this')
  return connection.user
}
