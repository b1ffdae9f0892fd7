import { isAccessDenied } from './access.js'
import type { Deadline } from './deadline.js'
import type { Link } from './link.js'

/** A node's two connections, and a channel without subscribers to test them with. */
export interface Connections { commands: Link, messages: Link, channel: string, isCluster: boolean }

/**
 * Tests the commands that scripts cannot call and that are needed later: without them, unwanted messages would keep arriving and
 * histories grow over their limits, unnoticed.
 *
 * @throws the reply of Redis if its user lacks a permission
 */
export async function tryDirectCommands ({ commands, messages, channel, isCluster }: Connections, deadline: Deadline): Promise<void> {
  const [client, listener] = [await commands.ready(deadline), await messages.ready(deadline)]
  const tried = [
    client.call('eval', 'return 1', 0),
    client.call('pubsub', isCluster ? 'shardnumsub' : 'numsub'),
    listener.call('unsubscribe', channel),
    // Unsubscribes from nothing, and not on the listener's connection: ioredis ends subscriber mode once no subscriptions of that
    // kind are left.
    ...isCluster ? [client.call('sunsubscribe')] : []
  ]
  for (const result of await deadline.race(Promise.allSettled(tried))) {
    // The calls at startup reveal any other fault.
    if (result.status === 'rejected' && isAccessDenied(result.reason)) throw result.reason
  }
}
