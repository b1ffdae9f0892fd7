import { Type } from '@sinclair/typebox'
import { ChannelRule } from '../channel-rule.js'
import type { ContractParts } from './parts.js'

const AppSchema = Type.Optional(Type.Unknown())
const closed = { additionalProperties: false }

/** Option of the contract. */
export const contractOptions = {
  contract: Type.Optional(Type.Unsafe<ContractParts>(Type.Object({
    messages: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { ...closed, description: 'Schemas of the messages that the server sends, by type. Default: none' })),
    calls: Type.Optional(Type.Record(Type.String(), Type.Object({
      data: AppSchema, reply: AppSchema, rest: Type.Optional(Type.Boolean()), channel: Type.Optional(Type.String())
    }, closed), { ...closed, description: 'What clients ask of the server, by type: data, reply, rest and channel. Default: none' })),
    confirmations: Type.Optional(Type.Record(Type.String(), Type.Object({ data: AppSchema, answer: AppSchema }, closed), {
      ...closed, description: 'What people are asked, by kind: data and answer. Default: none'
    })),
    channels: Type.Optional(Type.Record(Type.String(), Type.Object({
      ...ChannelRule.properties, messages: Type.Optional(Type.Array(Type.String()))
    }, closed), { ...closed, description: 'Rules of channels by pattern, before those of the option channels, and the messages that belong there. Default: none' }))
  }, { ...closed, description: 'Messages, calls, questions and channels, by defineContract(). Default: none, and everything may be sent and handled' })))
}
