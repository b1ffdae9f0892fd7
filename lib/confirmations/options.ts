import { Type } from '@sinclair/typebox'
import { count, milliseconds, group, type OptionsOf } from '../option-types.js'

/** Options of questions to people. */
export const confirmationOptions = {
  confirmations: group({
    timeoutMs: milliseconds(300_000, 'How long a question waits for its answer'),
    onTimeout: Type.Union([Type.Literal('proceed'), Type.Literal('cancel')], {
      default: 'cancel',
      description: 'What an unanswered question means: silence is no consent, unless the app says so'
    }),
    retainMs: milliseconds(3_600_000, 'How long an ended question can still be read')
  }, 'Questions to people')
}
export type ConfirmationOptions = OptionsOf<typeof confirmationOptions>

/** Limits on questions. */
export const confirmationLimits = {
  maxPendingConfirmationsPerUser: count(100, 'Questions to one user that this node waits for')
}
export type ConfirmationLimits = OptionsOf<typeof confirmationLimits>
