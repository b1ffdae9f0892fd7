import { Type } from '@sinclair/typebox'
import { milliseconds, group, type OptionsOf } from '../option-types.js'

/** Options of tasks. */
export const taskOptions = {
  tasks: group({
    retainMs: milliseconds(3_600_000, 'Retention of ended tasks'),
    cancelUnknown: Type.Boolean({ default: false, description: 'Accept and announce cancel frames for tasks that ws.tasks did not start' })
  }, 'Retention and cancellation of tasks')
}
export type TaskOptions = OptionsOf<typeof taskOptions>
