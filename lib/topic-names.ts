const CHANNEL_PREFIX = 'channel:'

/** Builds topic names. */
export const topicOf = {
  all: 'all',
  user: (userId: string) => `user:${userId}`,
  channel: (channel: string) => CHANNEL_PREFIX + channel
}

/** Returns the channel of a topic; null: not a channel's topic. */
export function channelOf (topic: string): string | null {
  return topic.startsWith(CHANNEL_PREFIX) ? topic.slice(CHANNEL_PREFIX.length) : null
}
