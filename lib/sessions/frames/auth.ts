import type { Connection } from '../../socket/connection.js'
import type { Admission } from '../admission.js'
import type { Lifecycle } from '../lifecycle.js'
import { builtIn } from '../../protocol/router.js'

/**
 * `auth` and `change_user`: give the socket its first token or a fresh one, of the same user or another (row J6). Without a token
 * the socket becomes anonymous, if `auth.anonymous` allows that. A bad token changes nothing, nor does another user's token if
 * `auth.identitySwitch` is `refuse`; an anonymous socket can authenticate in any case.
 */
export const authFrames = (admission: Admission, lifecycle: Lifecycle) => {
  const run = async ({ token }: { token?: string }, connection: Connection) => {
    await lifecycle.changeIdentity(connection, await admission.decideIdentity(connection, token))
    return lifecycle.describe(connection)
  }
  const traits = { isBarrier: true, isOpenToAll: true }
  return [
    builtIn('auth', ({ message, connection }) => run(message, connection), traits),
    builtIn('change_user', ({ message, connection }) => run(message, connection), traits)
  ]
}
