import { Type } from '@sinclair/typebox'
import { ChannelRule } from '../channel-rule.js'
import type { ContractParts } from './parts.js'

const AppSchema = Type.Optional(Type.Unknown())
const closed = { additionalProperties: false }

/** Option of the contract. */
export const contractOptions = {
  contract: Type.Optional(Type.Unsafe<ContractParts>(Type.Object({
    messages: Type.Optional(Type.Record(Type.String(), Type.Unknown(), closed)),
    calls: Type.Optional(Type.Record(Type.String(), Type.Object({
      data: AppSchema, reply: AppSchema, rest: Type.Optional(Type.Boolean()), channel: Type.Optional(Type.String())
    }, closed), closed)),
    confirmations: Type.Optional(Type.Record(Type.String(), Type.Object({ data: AppSchema, answer: AppSchema }, closed), closed)),
    channels: Type.Optional(Type.Record(Type.String(), Type.Object({
      ...ChannelRule.properties, messages: Type.Optional(Type.Array(Type.String()))
    }, closed), closed))
  }, { ...closed, description: 'Messages, calls, questions and channels, by defineContract(). Default: none, and everything may be sent and handled' })))
}
