import type { Connection } from '../../socket/connection.js'
import type { Admission } from '../admission.js'
import type { Lifecycle } from '../lifecycle.js'
import { builtIn } from '../../protocol/router.js'

/**
 * `auth` and `change_user`: a token for this socket, its first or a fresh one, of the same user or another (row J6).
 * Without a token the socket becomes anonymous where that is allowed. A bad token changes nothing, nor does another user's
 * where `auth.identitySwitch` refuses it; an anonymous socket can still become a user's.
 */
export const authFrames = (admission: Admission, lifecycle: Lifecycle) => {
  const run = async ({ token }: { token?: string }, connection: Connection) => {
    await lifecycle.identify(connection, await admission.decideIdentity(connection, token))
    return lifecycle.describe(connection)
  }
  const traits = { isBarrier: true, isOpenToAll: true }
  return [
    builtIn('auth', ({ message, connection }) => run(message, connection), traits),
    builtIn('change_user', ({ message, connection }) => run(message, connection), traits)
  ]
}
