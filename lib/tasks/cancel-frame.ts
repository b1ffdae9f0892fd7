import type { TaskOptions } from './options.js'
import type { Tasks } from './tasks.js'
import type { TokenCheck } from '../auth/token-check.js'
import { ForbiddenError } from '../errors.js'
import { builtIn } from '../protocol/router.js'
import { userOf } from '../protocol/frames/user-of.js'

/**
 * `cancel`: a user stops a task of their own (row A6); every socket of the user gets `task_cancelled`. A task that the app has neither
 * started nor asked about is refused, unless `tasks.cancelUnknown` is on.
 */
export const cancelFrame = (tasks: Tasks, tokens: TokenCheck, { cancelUnknown }: Pick<TaskOptions['tasks'], 'cancelUnknown'>) => builtIn('cancel', async ({ message, connection }) => {
  const user = userOf(connection)
  if (message.user_id !== undefined && message.user_id !== user.id) {
    throw new ForbiddenError('You may not cancel another user\'s task')
  }
  const askedAt = tokens.now()
  await tasks.cancel(message.task_id, { userId: user.id, by: { user_id: user.id, client_id: connection.id }, mustBeKnown: !cancelUnknown },
    () => tokens.assertTokenStillValid(user, askedAt))
  return { task_id: message.task_id }
})
