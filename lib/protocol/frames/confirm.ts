import type { Confirmations } from '../../confirmations/confirmations.js'
import { builtIn } from '../router.js'
import { userOf } from './user-of.js'

/** `confirm`: a person's answer (rows A5, A6). Everybody concerned hears of it by `confirmation_closed`. */
export const confirmFrame = (confirmations: Confirmations) => builtIn('confirm', async ({ message, connection }) => {
  const { callback_id: callbackId, proceed, feedback, answer } = message
  const { id: userId } = userOf(connection)
  const record = await confirmations.answer(callbackId, { proceed, feedback, answer }, { user_id: userId, client_id: connection.id })
  return { callback_id: callbackId, outcome: record.status, proceed: record.proceed, answered_by: record.answered_by }
})
