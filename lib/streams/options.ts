import { Type } from '@sinclair/typebox'
import { ChannelRule, recoverFrom } from '../channel-rule.js'
import { count, milliseconds, group, type OptionsOf } from '../option-types.js'

/** Options of streams and channels. */
export const streamOptions = {
  history: group({
    enabled: Type.Boolean({ default: true, description: 'Keep recent messages so that reconnecting clients can recover them' }),
    size: Type.Integer({ minimum: 1, maximum: 100_000, default: 300, description: 'Messages kept per stream' }),
    ttlMs: milliseconds(300_000, 'Retention of a message'),
    recoverFrom: recoverFrom('', { default: 'position' }),
    maxBytes: Type.Integer({ minimum: 1, default: 67_108_864, description: 'Maximum total size of the messages in all histories that this node published, bytes' }),
    maxTopics: count(100_000, 'Maximum number of streams without members that are remembered, among those this node published to'),
    maxBytesPerSender: count(4_194_304, 'Maximum total size of one user\'s messages in the histories of others, bytes; beyond it the user\'s oldest messages are evicted, or the frame is refused'),
    maxTopicsPerSender: count(1_000, 'Maximum number of streams that only one user\'s frames published to; beyond it the user\'s oldest are evicted'),
    // Nodes compare their positions with those in Redis at intervals of seconds.
    positionTtlMs: Type.Integer({ minimum: 60_000, maximum: 2_147_483_647, default: 86_400_000, description: 'Retention of the position of an unused stream, milliseconds' })
  }, 'Stream history'),
  channels: Type.Record(Type.String(), ChannelRule, {
    additionalProperties: false,
    default: {},
    description: 'Rules by channel name. * in a name matches any text; per field, the last match wins'
  }),
  ack: group({
    timeoutMs: milliseconds(5_000, 'Total time allowed for the acknowledgement, over all tries'),
    tries: Type.Integer({ minimum: 1, maximum: 100, default: 3, description: 'Maximum number of sends, at equal intervals' })
  }, 'Acknowledged sends')
}
export type StreamOptions = OptionsOf<typeof streamOptions>

/** Limits on memberships. */
export const streamLimits = {
  maxChannelsPerConnection: count(100, 'Maximum number of channels per socket')
}
export type StreamLimits = OptionsOf<typeof streamLimits>
