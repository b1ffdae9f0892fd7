const CHANNEL_PREFIX = 'channel:'

/** The names of topics. */
export const topicOf = {
  all: 'all',
  user: (userId: string) => `user:${userId}`,
  channel: (channel: string) => CHANNEL_PREFIX + channel
}

/** null: it is no channel's. */
export function channelOf (topic: string): string | null {
  return topic.startsWith(CHANNEL_PREFIX) ? topic.slice(CHANNEL_PREFIX.length) : null
}
