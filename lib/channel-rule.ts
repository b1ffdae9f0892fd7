import { Type, type Static } from '@sinclair/typebox'

export const recoverFrom = (otherwise: string, options: { default?: 'position' } = {}) => Type.Union([Type.Literal('position'), Type.Literal('start')], {
  description: `Where recovery may begin: at a known position only, or also at the start of the history${otherwise}`, ...options
})

/** Rule of the channels that match a pattern. */
export const ChannelRule = Type.Object({
  history: Type.Optional(Type.Union([
    Type.Literal(false),
    Type.Object({
      size: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000, description: 'Messages kept per stream. Default: history.size' })),
      ttlMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Retention of a message, milliseconds. Default: history.ttlMs' }))
    }, { additionalProperties: false })
  ], { description: 'History of the channel; false: none. Default: the option history' })),
  presence: Type.Optional(Type.Boolean({ description: 'Track the members and announce joins and leaves to them. Default: false' })),
  recover: Type.Optional(Type.Union([Type.Literal('missed'), Type.Literal('latest')], {
    description: 'Messages that a subscriber recovers: all it missed (the default), or only the latest'
  })),
  recoverFrom: Type.Optional(recoverFrom('. Default: history.recoverFrom'))
}, { additionalProperties: false })
export type ChannelRule = Static<typeof ChannelRule>
