import type { Confirmations } from './confirmations.js'
import type { TokenCheck } from '../auth/token-check.js'
import { builtIn } from '../protocol/router.js'
import { userOf } from '../protocol/frames/user-of.js'

/** `confirm`: a person's answer (rows A5, A6). All sockets of the user get `confirmation_closed`. */
export const confirmFrame = (confirmations: Confirmations, tokens: TokenCheck) => builtIn('confirm', async ({ message, connection }) => {
  const { callback_id: callbackId, proceed, feedback, answer } = message
  const user = userOf(connection)
  const askedAt = tokens.now()
  const record = await confirmations.answer(callbackId, { proceed, feedback, answer }, { user_id: user.id, client_id: connection.id },
    () => tokens.assertTokenStillValid(user, askedAt))
  return { callback_id: callbackId, outcome: record.status, proceed: record.proceed, answered_by: record.answered_by }
})
