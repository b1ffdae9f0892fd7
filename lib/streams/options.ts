import { Type } from '@sinclair/typebox'
import { count, milliseconds, group, type OptionsOf } from '../option-types.js'

const recoverFrom = (otherwise: string, options: { default?: 'position' } = {}) => Type.Union([Type.Literal('position'), Type.Literal('start')], {
  description: `Whether clients may ask for all that is kept, or only for what is behind a position${otherwise}`, ...options
})

const ChannelRule = Type.Object({
  history: Type.Optional(Type.Union([
    Type.Literal(false),
    Type.Object({
      size: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000, description: 'Messages of each stream; by default history.size' })),
      ttlMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'How long a message is kept, milliseconds; by default history.ttlMs' }))
    }, { additionalProperties: false })
  ], { description: 'What is kept; false: nothing. By default as the option history says' })),
  presence: Type.Optional(Type.Boolean({ description: 'Know who is there, and tell the members; by default false' })),
  recover: Type.Optional(Type.Union([Type.Literal('missed'), Type.Literal('latest')], {
    description: 'What a subscriber gets: what it missed (the default), or the last message alone'
  })),
  recoverFrom: Type.Optional(recoverFrom('; by default history.recoverFrom'))
}, { additionalProperties: false })

/** Options of streams and channels. */
export const streamOptions = {
  history: group({
    enabled: Type.Boolean({ default: true, description: 'Keep the latest messages, so that clients that were away can recover them' }),
    size: Type.Integer({ minimum: 1, maximum: 100_000, default: 300, description: 'Messages of each stream' }),
    ttlMs: milliseconds(300_000, 'How long a message is kept'),
    recoverFrom: recoverFrom('', { default: 'position' }),
    maxBytes: Type.Integer({ minimum: 1, default: 67_108_864, description: 'Size of all histories together, of what each node has published, bytes' }),
    maxTopics: count(100_000, 'Streams without members that are remembered, of those that each node has published to'),
    maxBytesPerSender: count(4_194_304, 'Size of the messages in all histories that one user sent to others, bytes; over that the user\'s own oldest are evicted, or the frame is refused'),
    maxTopicsPerSender: count(1_000, 'Streams that only one user\'s frames have published to; over that the user\'s own oldest are evicted'),
    // Nodes compare their positions with those in Redis at intervals of seconds.
    positionTtlMs: Type.Integer({ minimum: 60_000, maximum: 2_147_483_647, default: 86_400_000, description: 'How long the position of an unused stream is remembered, milliseconds' })
  }, 'History of the streams'),
  channels: Type.Record(Type.String(), ChannelRule, {
    additionalProperties: false,
    default: {},
    description: 'Rules by channel name, in which * stands for any text; later ones win'
  }),
  ack: group({
    timeoutMs: milliseconds(5_000, 'How long an acknowledgement is waited for in all, the tries together'),
    tries: Type.Integer({ minimum: 1, maximum: 100, default: 3, description: 'How often a message is sent, at equal intervals' })
  }, 'Acknowledged sends')
}
export type StreamOptions = OptionsOf<typeof streamOptions>

/** Limits on memberships. */
export const streamLimits = {
  maxChannelsPerConnection: count(100, 'Channels that one socket can be a member of')
}
export type StreamLimits = OptionsOf<typeof streamLimits>
