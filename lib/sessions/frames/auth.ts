import type { Connection } from '../../socket/connection.js'
import type { Lifecycle } from '../lifecycle.js'
import type { UserSlots } from '../user-slots.js'
import { tokenFromFrame } from '../../auth/credentials.js'
import { ForbiddenError, UnauthorizedError } from '../../errors.js'
import type { AuthOptions } from '../../auth/options.js'
import { builtIn } from '../../protocol/router.js'

/**
 * `auth` and `change_user`: a token for this socket, its first or a fresh one, of the same user or another (row J6).
 * Without a token the socket becomes anonymous where that is allowed. A bad token changes nothing, nor does another user's
 * where `auth.identitySwitch` refuses it; a socket that is nobody's can still become somebody's.
 */
export const authFrames = (lifecycle: Lifecycle, slots: UserSlots, { anonymous, identitySwitch }: Pick<AuthOptions['auth'], 'anonymous' | 'identitySwitch'>) => {
  const run = async ({ token }: { token?: string }, connection: Connection) => {
    if (token === undefined && !anonymous) throw new UnauthorizedError('A token is needed')
    const user = token === undefined ? null : await connection.origin.verify(tokenFromFrame(token))
    if (user?.id !== connection.user?.id) {
      if (identitySwitch === 'refuse' && connection.user !== null) throw new ForbiddenError('This socket may not switch to another user')
      slots.assertFree(user, connection)
    }
    await lifecycle.identify(connection, user)
    return lifecycle.describe(connection)
  }
  const traits = { isBarrier: true, isOpenToAll: true }
  return [
    builtIn('auth', ({ message, connection }) => run(message, connection), traits),
    builtIn('change_user', ({ message, connection }) => run(message, connection), traits)
  ]
}
