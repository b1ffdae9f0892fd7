import { isAccessDenied } from './access.js'
import type { Deadline } from './deadline.js'
import type { Link } from './link.js'

/** The two connections of a node, and the channel to try them with: one that nobody is subscribed to. */
export interface Connections { commands: Link, messages: Link, channel: string, isCluster: boolean }

/**
 * Tries the commands that no script can call and that are needed later: without them messages would go on arriving that nobody reads, and
 * histories grow over their limits, unseen.
 *
 * @throws the reply of Redis where its user lacks a permission
 */
export async function tryDirectCommands ({ commands, messages, channel, isCluster }: Connections, deadline: Deadline): Promise<void> {
  const [client, listener] = [await commands.ready(deadline), await messages.ready(deadline)]
  const tried = [
    client.call('eval', 'return 1', 0),
    client.call('pubsub', isCluster ? 'shardnumsub' : 'numsub'),
    listener.call('unsubscribe', channel),
    // From all of no subscriptions, and not by the listener: with none of that kind left ioredis takes it for no subscriber any more.
    ...isCluster ? [client.call('sunsubscribe')] : []
  ]
  for (const result of await deadline.race(Promise.allSettled(tried))) {
    // Any other fault shows in the calls of the start.
    if (result.status === 'rejected' && isAccessDenied(result.reason)) throw result.reason
  }
}
