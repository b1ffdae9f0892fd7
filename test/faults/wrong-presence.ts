import type { Deployment } from './deployment.js'
import type { Load } from './load.js'

/** Compares the lists of presence, of each channel at each node, with the clients that are there; resolves to what is wrong. */
export async function wrongPresence ({ channels, clients }: Pick<Load, 'channels' | 'clients'>, { nodes }: Pick<Deployment, 'nodes'>): Promise<string[]> {
  const wrong = await Promise.all(channels.flatMap((channel) => {
    const present = new Set(clients.filter((client) => client.channels.has(channel)).map(({ clientId }) => clientId!))
    return nodes.map(async (node, index) => {
      const { users } = await node.command<{ users: { client_ids: string[] }[] }>('presence', channel)
      const found = users.flatMap(({ client_ids: ids }) => ids)
      const gone = found.filter((id) => !present.has(id)).length
      if (gone === 0 && found.length === present.size) return []
      return [`${channel} at node ${index} has ${gone} who are gone and ${found.length - gone} of ${present.size} who are there`]
    })
  }))
  return wrong.flat()
}
