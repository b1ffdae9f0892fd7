import { Type } from '@sinclair/typebox'
import { milliseconds, group, type OptionsOf } from '../option-types.js'

/** Options of tasks. */
export const taskOptions = {
  tasks: group({
    retainMs: milliseconds(3_600_000, 'How long an ended task can still be read'),
    cancelUnknown: Type.Boolean({ default: false, description: 'Announce a cancel frame for a task that ws.tasks has not started' })
  }, 'Tasks that users watch')
}
export type TaskOptions = OptionsOf<typeof taskOptions>
