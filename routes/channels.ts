import { ChannelRecord } from '../schemas/records.js'
import { ChannelParams, ChannelsPage, ChannelsQuery } from '../schemas/rest.js'
import { topicOf } from '../lib/topics/topic-names.js'
import { answers, tags } from './answers.js'
import type { Routes } from './context.js'

export const channelRoutes: Routes = (scope, { topics, presence }, access) => {
  scope.get('/channels', {
    schema: { tags, summary: 'The channels with members on this node, by name', querystring: ChannelsQuery, response: answers(ChannelsPage, 400, 401, 403, 503) },
    onRequest: access.permitted('channels:list')
  }, ({ query: { limit, after = null } }) => {
    const channels = []
    for (const channel of topics.channels(after)) {
      if (channels.length === limit) return { channels, next: channels.at(-1)!.channel }
      channels.push(channel)
    }
    return { channels, next: null }
  })

  scope.get('/channels/:channel', {
    schema: { tags, summary: 'One channel, with members or without', params: ChannelParams, response: answers(ChannelRecord, 400, 401, 403, 503) },
    onRequest: access.permitted('channels:read')
  }, async ({ params: { channel } }) => ({
    channel,
    clients: topics.count(topicOf.channel(channel)),
    presence: presence.covers(channel) ? await presence.list(channel) : null
  }))
}
