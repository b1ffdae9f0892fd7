import type { Connection } from '../../connection/connection.js'
import type { Lifecycle } from '../../connection/lifecycle.js'
import type { UserSlots } from '../../connection/user-slots.js'
import { tokenFromFrame } from '../../auth/credentials.js'
import { UnauthorizedError } from '../../errors.js'
import { builtIn } from '../router.js'

/**
 * `auth` and `change_user`: a token for this socket, its first or a fresh one, of the same user or another (row J6).
 * Without a token the socket becomes anonymous where that is allowed. A bad token changes nothing.
 */
export const authFrames = (lifecycle: Lifecycle, slots: UserSlots, allowsAnonymous: boolean) => {
  const run = async ({ token }: { token?: string }, connection: Connection) => {
    if (token === undefined && !allowsAnonymous) throw new UnauthorizedError('A token is needed')
    const user = token === undefined ? null : await connection.origin.verify(tokenFromFrame(token))
    if (user?.id !== connection.user?.id) slots.assertFree(user, connection)
    await lifecycle.identify(connection, user)
    return lifecycle.describe(connection)
  }
  const traits = { isBarrier: true, isOpenToAll: true }
  return [
    builtIn('auth', ({ message, connection }) => run(message, connection), traits),
    builtIn('change_user', ({ message, connection }) => run(message, connection), traits)
  ]
}
