import { Type } from '@sinclair/typebox'
import { count, milliseconds, rate, group, type OptionsOf } from '../option-types.js'

/** Options of sockets. */
export const socketOptions = {
  heartbeat: group({
    enabled: Type.Boolean({ default: true, description: 'Send WebSocket pings' }),
    intervalMs: milliseconds(30_000, 'Interval between pings'),
    timeoutMs: milliseconds(10_000, 'Time allowed for the answer to a ping')
  }, 'Detection of dead sockets'),
  slowConsumer: Type.Union([Type.Literal('disconnect'), Type.Literal('drop')], {
    default: 'disconnect',
    description: 'Handling of a client that does not read: disconnect (1013), or drop messages and report their number'
  }),
  compression: group({
    enabled: Type.Boolean({ default: false, description: 'Compress messages for clients that support permessage-deflate' }),
    thresholdBytes: Type.Integer({ minimum: 0, default: 1_024, description: 'Minimum size of a compressed message, bytes' })
  }, 'Compression'),
  closeTimeoutMs: milliseconds(3_000, 'Time allowed for the answer to a close frame before the socket is destroyed; bounds app.close()')
}
export type SocketOptions = OptionsOf<typeof socketOptions>

/** Limits on the resources of one socket and one user. */
export const socketLimits = {
  maxClosing: count(1_000, 'Maximum number of closing sockets that await the client\'s close frame, per node; the oldest is destroyed when another socket opens'),
  messagesPerSecond: rate(20, 'Sustained rate of frames and REST calls per user, over all sockets'),
  burst: count(100, 'Burst of frames per user, over all sockets'),
  bytesPerSecond: rate(262_144, 'Sustained rate of frames and REST calls per user, over all sockets, bytes'),
  burstBytes: count(1_048_576, 'Burst of frames per user, over all sockets, bytes'),
  joinsPerSecond: rate(20, 'Sustained rate of channel subscriptions per user, over all sockets'),
  joinsBurst: count(1_000, 'Burst of channel subscriptions per user, over all sockets'),
  maxPayloadBytes: count(65_536, 'Maximum size of a client frame, bytes'),
  maxFragments: count(128, 'Maximum number of fragments of a client frame'),
  maxPendingBytes: count(131_072, 'Maximum size of queued frames of one socket, beyond which reading pauses, bytes'),
  maxQueueMessages: count(10_000, 'Maximum number of messages in the send queue of one socket'),
  maxQueueBytes: count(1_048_576, 'Maximum size of the send queue of one socket, bytes'),
  maxErrorsPerMinute: count(10, 'Number of client errors within a minute that closes the socket'),
  maxRateLimitedPerMinute: count(1_000, 'Number of rate-limited frames within a minute that closes the socket')
}
export type SocketLimits = OptionsOf<typeof socketLimits>
