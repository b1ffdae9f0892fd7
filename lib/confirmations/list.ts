import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { ConfirmationsQuery } from '../../schemas/rest.js'
import type { ConfirmationFilter } from '../engine/engine.js'

/** Which questions, and which part of their list. */
export interface ListOptions extends ConfirmationFilter {
  /** Maximum number of questions: 1 to 1000, default 100. */
  limit?: number | undefined
  /** The `next` of the page before; null, the default: from the beginning. */
  after?: string | null | undefined
}

/** A name that is not known is refused: a filter that is passed over would answer with the questions of others. */
export const checkList = TypeCompiler.Compile(Type.Partial(ConfirmationsQuery))
