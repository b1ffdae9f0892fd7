import type { ClientRecord } from '../../schemas/records.js'
import type { ClientsPage, ClientsQuery } from '../../schemas/rest.js'
import type { ConnectionPlace, Registry } from '../socket/registry.js'
import { compareTexts, cursorOf, firstPage, mergePages, readCursor } from '../pages.js'

type Page = Pick<ClientsPage, 'total' | 'clients' | 'next'>

/** Returns a page of this node's sockets, oldest first. Its cost is the page, plus counting. */
export function pageOf (registry: Registry, { user_id: userId, after, limit }: ClientsQuery): Page {
  const connections = registry.open(userId, after === undefined ? null : placeOf(after))
  const { items, next } = firstPage(connections, limit, ({ connectedAt, id }) => cursorOf(connectedAt, id))
  return { total: registry.countOpen(userId), clients: items.map((connection) => connection.toRecord()), next }
}

/** Merges several pages that start at the same cursor into one. */
export function pageOfPages (pages: readonly Page[], limit: number): Page {
  const { items, next } = mergePages(pages.map(({ clients, next }) => ({ items: clients, next })), limit, byPlace,
    ({ connected_at: connectedAt, client_id: id }) => cursorOf(connectedAt, id))
  return { total: pages.reduce((total, page) => total + page.total, 0), clients: items, next }
}

function placeOf (cursor: string): ConnectionPlace {
  const [connectedAt, id] = readCursor(cursor)
  return { connectedAt, id }
}

function byPlace (a: ClientRecord, b: ClientRecord): number {
  return a.connected_at - b.connected_at || compareTexts(a.client_id, b.client_id)
}
