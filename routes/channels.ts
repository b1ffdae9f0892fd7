import { ChannelPage, ChannelParams, ChannelQuery, ChannelsPage, ChannelsQuery } from '../schemas/rest.js'
import { firstPage } from '../lib/pages.js'
import type { Presence } from '../lib/streams/presence.js'
import type { Topics } from '../lib/streams/topics.js'
import { topicOf } from '../lib/topic-names.js'
import type { Access } from './access.js'
import { answers, tags } from './answers.js'
import { queryOf } from './query.js'
import type { Scope } from './scope.js'

/** The parts that the channel routes read. */
export interface ChannelParts { access: Access, topics: Topics, presence: Presence }

export function channelRoutes (scope: Scope, { access, topics, presence }: ChannelParts): void {
  scope.get('/channels', {
    schema: { tags, summary: 'The channels with members on this node, by name', querystring: queryOf(ChannelsQuery), response: answers(ChannelsPage, 400, 401, 403, 503) },
    onRequest: access.permitted('channels:list')
  }, ({ query: { limit, after = null } }) => {
    const { items, next } = firstPage(topics.channels(after), limit, ({ channel }) => channel)
    return { channels: items, next }
  })

  scope.get('/channels/:channel', {
    schema: { tags, summary: 'One channel, with its presence', params: ChannelParams, querystring: queryOf(ChannelQuery), response: answers(ChannelPage, 400, 401, 403, 503) },
    onRequest: access.permitted('channels:read')
  }, async ({ params: { channel }, query }) => ({
    channel,
    clients: topics.count(topicOf.channel(channel)),
    ...presence.covers(channel) ? await presence.page(channel, query) : { presence: null, next: null }
  }))
}
