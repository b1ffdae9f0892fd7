import { Type } from '@sinclair/typebox'
import { count, milliseconds, rate, group, type OptionsOf } from '../option-types.js'

/** Options of sockets. */
export const socketOptions = {
  heartbeat: group({
    enabled: Type.Boolean({ default: true, description: 'Send WebSocket pings' }),
    intervalMs: milliseconds(30_000, 'Time between two pings'),
    timeoutMs: milliseconds(10_000, 'How long a client may take to answer')
  }, 'How dead sockets are found'),
  slowConsumer: Type.Union([Type.Literal('disconnect'), Type.Literal('drop')], {
    default: 'disconnect',
    description: 'How a client that does not read is handled: it is cut (1013), or messages are dropped and it is told how many'
  }),
  compression: group({
    enabled: Type.Boolean({ default: false, description: 'Compress messages for clients that can read it (permessage-deflate)' }),
    thresholdBytes: Type.Integer({ minimum: 0, default: 1_024, description: 'From which size on, bytes' })
  }, 'Compression'),
  closeTimeoutMs: milliseconds(3_000, 'How long a client may take to answer a close frame before its socket is destroyed; bounds app.close()')
}
export type SocketOptions = OptionsOf<typeof socketOptions>

/** Limits on what one socket, and one user, can use. */
export const socketLimits = {
  maxClosing: count(1_000, 'Closing sockets on this node, whose client has not answered the close frame; over that the oldest is cut when another opens'),
  messagesPerSecond: rate(20, 'Frames of all sockets of a user, and calls by REST, in the long run'),
  burst: count(100, 'Frames of all sockets of a user at once'),
  bytesPerSecond: rate(262_144, 'Size of the frames of all sockets of a user, and of calls by REST, in the long run, bytes'),
  burstBytes: count(1_048_576, 'Size of the frames of all sockets of a user at once, bytes'),
  joinsPerSecond: rate(20, 'Channels that all sockets of a user subscribe to, in the long run'),
  joinsBurst: count(1_000, 'Channels that all sockets of a user subscribe to at once'),
  maxPayloadBytes: count(65_536, 'Size of a client\'s frame, bytes'),
  maxFragments: count(128, 'Fragments of a client\'s frame'),
  maxPendingBytes: count(131_072, 'Size of the frames of one socket that wait for an earlier one; over that the socket is paused, bytes'),
  maxQueueMessages: count(10_000, 'Messages that wait for one socket'),
  maxQueueBytes: count(1_048_576, 'Size of the messages that wait for one socket, bytes'),
  maxErrorsPerMinute: count(10, 'Errors within a minute at which the socket is closed'),
  maxRateLimitedPerMinute: count(1_000, 'Frames of a socket that were refused within a minute because there were too many, at which it is closed')
}
export type SocketLimits = OptionsOf<typeof socketLimits>
