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
 * `subscribe`: joins all of the channels or none, each from the client's position. A user_id (row A6) is accepted if it is the
 * socket's own user, whose topic every socket is in anyway. `recover` can also name the topics that the socket is in already.
 */
export const subscribeFrame = (memberships: Memberships, permissions: Permissions) => builtIn('subscribe',
  async ({ message: { channel_ids: given = [], user_id: userId, recover = {} }, connection }) => {
    const channels = [...new Set(given)]
    const { positions, topics } = wanted(recover, channels, connection.user)
    if (given.length === 0 && userId === undefined && topics.length === 0) {
      throw invalidMessage([{ path: '/channel_ids', message: 'Either channel_ids or user_id is required' }])
    }
    if (userId !== undefined && userId !== connection.user?.id) {
      throw new ForbiddenError('You may not subscribe to another user')
    }
    const notBefore = new Map<string, number>()
    // Charged before the app is asked. Reading a history again costs as much as joining a channel.
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

/** `unsubscribe`: leaves channels. Leaving one twice is harmless. */
export const unsubscribeFrame = (memberships: Memberships) => builtIn('unsubscribe', ({ message, connection }) => {
  for (const channel of message.channel_ids) {
    memberships.leave(connection, channel)
    connection.send(encodeFrame({ type: 'unsubscribed', channel, reason: 'unsubscribed' }))
  }
  return { channel_ids: message.channel_ids }
}, { isBarrier: true })

/**
 * Returns the client's positions by topic, and the topics among them that are not channels. A name that is also in `channel_ids`
 * means the channel.
 *
 * @throws WSM_ERR_INVALID_MESSAGE for a position of any other stream: the client would believe that it was recovered
 */
function wanted (recover: Positions, channels: readonly string[], user: User | null): { positions: Positions, topics: string[] } {
  const topics = topicsOf(user).filter((topic) => Object.hasOwn(recover, topic) && !channels.includes(topic))
  const known = new Set([...channels, ...topics])
  const unknown = Object.keys(recover).filter((name) => !known.has(name))
  if (unknown.length > 0) throw unknownKeys('/recover', unknown, 'Expected a name from channel_ids, "all", "user:<your user_id>" or "role:<one of your roles>"')
  const positions = Object.fromEntries([
    ...channels.filter((channel) => Object.hasOwn(recover, channel)).map((channel) => [topicOf.channel(channel), recover[channel]!]),
    ...topics.map((topic) => [topic, recover[topic]!])
  ])
  return { positions, topics }
}

/** Makes the frame; its position is null if the stream is not kept, and `channel` is null for other topics. */
function subscribedFrame ({ topic, position, recovered, missed }: StreamState) {
  return encodeFrame({ type: 'subscribed', channel: channelOf(topic), topic, epoch: position?.epoch ?? null, offset: position?.offset ?? null, recovered, missed })
}
