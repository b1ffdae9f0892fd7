import { Type } from '@sinclair/typebox'
import { count, milliseconds, group, type OptionsOf } from '../option-types.js'

/** Options of questions to people. */
export const confirmationOptions = {
  confirmations: group({
    timeoutMs: milliseconds(300_000, 'Time allowed for the answer to a question'),
    onTimeout: Type.Union([Type.Literal('proceed'), Type.Literal('cancel')], {
      default: 'cancel',
      description: 'Result of a question that nobody answers in time: proceed or cancel'
    }),
    retainMs: milliseconds(3_600_000, 'Retention of settled questions')
  }, 'Questions to users')
}
export type ConfirmationOptions = OptionsOf<typeof confirmationOptions>

/** Limits on questions. */
export const confirmationLimits = {
  maxPendingConfirmationsPerUser: count(100, 'Maximum number of open questions to one user that this node asked')
}
