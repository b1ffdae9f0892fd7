import type { Permissions } from '../../auth/permissions.js'
import type { User } from '../../user.js'
import { ForbiddenError } from '../../errors.js'
import { withDetails, type DetailedError } from '../../wire-error.js'
import type { Positions } from '../../recovery.js'
import type { Memberships } from '../../streams/memberships.js'
import type { StreamState } from '../../streams/topic.js'
import { channelOf, topicOf, topicsOf } from '../../topic-names.js'
import { encodeFrame } from '../../socket/message.js'
import { invalidMessage, unknownKeys } from '../../validation/faults.js'
import { builtIn } from '../../protocol/router.js'

/**
 * `subscribe`: all of the channels or none, each from the position that the client has of it on. With a user_id (row A6) it
 * confirms what every socket has: its own user. `recover` can also name the streams that every socket is in.
 */
export const subscribeFrame = (memberships: Memberships, permissions: Permissions) => builtIn('subscribe',
  async ({ message: { channel_ids: given = [], user_id: userId, recover = {} }, connection }) => {
    const channels = [...new Set(given)]
    const { positions, topics } = wanted(recover, channels, connection.user)
    if (given.length === 0 && userId === undefined && topics.length === 0) {
      throw invalidMessage([{ path: '/channel_ids', message: 'Either channel_ids or user_id is needed' }])
    }
    if (userId !== undefined && userId !== connection.user?.id) {
      throw new ForbiddenError('You may not subscribe to another user')
    }
    const notBefore = new Map<string, number>()
    // Before the app is asked. A history that is read again costs as much as a channel that is joined.
    connection.budget.chargeJoins(channels.filter((channel) => !connection.grants.has(channel) || Object.hasOwn(recover, channel)).length + topics.length)
    for (const channel of channels) {
      try {
        notBefore.set(channel, await permissions.subscribe(connection.user, channel, connection))
      } catch (error) {
        const refusal = error as DetailedError
        throw refusal.details === undefined ? withDetails(refusal, { channel }) : refusal
      }
    }
    const joining = await memberships.prepareJoin(connection, channels, 'subscribed', { positions, notBefore }, topics)
    for (const state of joining.commit()) connection.send(subscribedFrame(state))
    await joining.catchUp()
    const confirmed = { channel_ids: given, user_id: connection.user?.id ?? null }
    connection.send(encodeFrame({ type: 'subscription_confirmed', ...confirmed }))
    return confirmed
  }, { isBarrier: true })

/** `unsubscribe`: leaving a channel that one is not in is harmless. */
export const unsubscribeFrame = (memberships: Memberships) => builtIn('unsubscribe', ({ message, connection }) => {
  for (const channel of message.channel_ids) {
    memberships.leave(connection, channel)
    connection.send(encodeFrame({ type: 'unsubscribed', channel, reason: 'unsubscribed' }))
  }
  return { channel_ids: message.channel_ids }
}, { isBarrier: true })

/**
 * The client's positions by topic, and the topics that are not channels. A name in `channel_ids` is the channel's.
 *
 * @throws WSM_ERR_INVALID_MESSAGE for a position of something else, which the client would take for recovered
 */
function wanted (recover: Positions, channels: readonly string[], user: User | null): { positions: Positions, topics: string[] } {
  const topics = topicsOf(user).filter((topic) => Object.hasOwn(recover, topic) && !channels.includes(topic))
  const known = new Set([...channels, ...topics])
  const unknown = Object.keys(recover).filter((name) => !known.has(name))
  if (unknown.length > 0) throw unknownKeys('/recover', unknown, 'Expected a name of channel_ids, "all", "user:" with one\'s own user_id, or "role:" with one of one\'s own roles')
  const positions = Object.fromEntries([
    ...channels.filter((channel) => Object.hasOwn(recover, channel)).map((channel) => [topicOf.channel(channel), recover[channel]!]),
    ...topics.map((topic) => [topic, recover[topic]!])
  ])
  return { positions, topics }
}

/** Without a position where the channel is not kept; `channel` is null for a stream that is none. */
function subscribedFrame ({ topic, position, recovered, missed }: StreamState) {
  return encodeFrame({ type: 'subscribed', channel: channelOf(topic), topic, epoch: position?.epoch ?? null, offset: position?.offset ?? null, recovered, missed })
}
