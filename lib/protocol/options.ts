import { Type } from '@sinclair/typebox'
import { MOST_KEPT_DEPTH } from './depth.js'
import { TypeLimit } from './type-limits.js'
import { count, type OptionsOf } from '../option-types.js'

const bytes = (value: number, description: string) => Type.Integer({ minimum: 1_024, maximum: 1_099_511_627_776, default: value, description })

/** Limits on frames. */
export const protocolLimits = {
  types: Type.Record(Type.String(), TypeLimit, {
    additionalProperties: false,
    default: {},
    description: 'Rate limits per message type, which replace messagesPerSecond and burst for that type. * in a type matches any text; the last match wins'
  }),
  maxDepth: Type.Integer({
    minimum: 1, maximum: MOST_KEPT_DEPTH, default: 32, description: 'Maximum nesting of client frames and REST bodies, levels'
  }),
  maxPendingHandlers: count(100, 'Maximum number of frames of one socket that are running or queued'),
  maxRememberedBytesPerUser: bytes(4_194_304, 'Maximum size of one user\'s calls with an idempotency key that are remembered, per node: 1 KiB each and its outcome, bytes'),
  maxRememberedBytes: bytes(134_217_728, 'Maximum size of all calls with an idempotency key that are remembered, per node, bytes')
}
export type ProtocolLimits = OptionsOf<typeof protocolLimits>
