import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { ConfirmationsQuery } from '../../schemas/rest.js'
import type { ConfirmationRecord } from '../../schemas/records.js'

/** Filters and paging of a list of questions. */
export interface ConfirmationListOptions {
  /** Only questions to this user; by default to all. */
  userId?: string | undefined
  /** Only questions about this task; by default about all. */
  taskId?: string | undefined
  /** Only questions in this state; by default in any. */
  status?: ConfirmationRecord['status'] | undefined
  /** Maximum number of questions: 1 to 1000, default 100. */
  limit?: number | undefined
  /** The `next` of the page before; null, the default: from the beginning. */
  after?: string | null | undefined
}

/** Checks a list's options as the REST route's query. */
export const checkList = TypeCompiler.Compile(Type.Partial(ConfirmationsQuery))
