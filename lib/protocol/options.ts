import { Type } from '@sinclair/typebox'
import { MOST_KEPT_DEPTH } from './depth.js'
import { TypeLimit } from './type-limits.js'
import { count, type OptionsOf } from '../option-types.js'

/** Limits on frames. */
export const protocolLimits = {
  types: Type.Record(Type.String(), TypeLimit, {
    additionalProperties: false,
    default: {},
    description: 'How fast a user may send messages of a type, in place of the two before, by type, in which * stands for any text; later ones win'
  }),
  maxDepth: Type.Integer({
    minimum: 1, maximum: MOST_KEPT_DEPTH, default: 32, description: 'Nesting of a client\'s frame, and of the body of a REST request, levels'
  }),
  maxPendingHandlers: count(100, 'Frames of one socket in progress, those that wait for an earlier one included')
}
export type ProtocolLimits = OptionsOf<typeof protocolLimits>
