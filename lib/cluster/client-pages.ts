import type { ClientRecord } from '../../schemas/records.js'
import type { ClientsPage, ClientsQuery } from '../../schemas/rest.js'
import type { ConnectionPlace, Registry } from '../connection/registry.js'
import { compareTexts, cursorOf, readCursor } from '../cursor.js'

type Page = Pick<ClientsPage, 'total' | 'clients' | 'next'>

/** A page of this node's sockets, oldest first. It costs what is on it, besides counting them. */
export function pageOf (registry: Registry, { user_id: userId, after, limit }: ClientsQuery): Page {
  const total = registry.countOpen(userId)
  const clients: ClientRecord[] = []
  for (const connection of registry.open(userId, after === undefined ? null : placeOf(after))) {
    if (clients.length === limit) return { total, clients, next: nextOf(clients) }
    clients.push(connection.toRecord())
  }
  return { total, clients, next: null }
}

/** One page of several that begin at the same place. */
export function pageOfPages (pages: readonly Page[], limit: number): Page {
  const all = pages.flatMap(({ clients }) => clients).sort(byPlace)
  const clients = all.slice(0, limit)
  const goesOn = all.length > limit || pages.some(({ next }) => next !== null)
  return { total: pages.reduce((total, page) => total + page.total, 0), clients, next: goesOn ? nextOf(clients) : null }
}

function nextOf (clients: readonly ClientRecord[]): string {
  const { connected_at: connectedAt, client_id: id } = clients.at(-1)!
  return cursorOf(connectedAt, id)
}

function placeOf (cursor: string): ConnectionPlace {
  const [connectedAt, id] = readCursor(cursor)
  return { connectedAt, id }
}

function byPlace (a: ClientRecord, b: ClientRecord): number {
  return a.connected_at - b.connected_at || compareTexts(a.client_id, b.client_id)
}
