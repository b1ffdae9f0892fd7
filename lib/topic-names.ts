import { rolesOf, type User } from './user.js'

const prefix = { user: 'user:', role: 'role:', channel: 'channel:', task: 'task:' }

/** Builds topic names. */
export const topicOf = {
  all: 'all',
  user: (userId: string) => prefix.user + userId,
  role: (role: string) => prefix.role + role,
  channel: (channel: string) => prefix.channel + channel,
  task: (taskId: string) => prefix.task + taskId
}

/** Returns the channel of a topic; null for another kind of topic. */
export const channelOf = (topic: string): string | null => nameBehind(prefix.channel, topic)

/** Returns the role of a topic; null for another kind of topic. */
export const roleOf = (topic: string): string | null => nameBehind(prefix.role, topic)

/** Returns the task of a topic; null for another kind of topic. */
export const taskOf = (topic: string): string | null => nameBehind(prefix.task, topic)

/** Returns the topics that the connections of a user, or with null an anonymous one, are always members of. */
export function topicsOf (user: User | null): string[] {
  return user === null ? [topicOf.all] : [topicOf.all, topicOf.user(user.id), ...rolesOf(user).map(topicOf.role)]
}

function nameBehind (start: string, topic: string): string | null {
  return topic.startsWith(start) ? topic.slice(start.length) : null
}
