import type { ClientRecord } from '../../schemas/records.js'
import type { ClientsPage, ClientsQuery } from '../../schemas/rest.js'
import type { Connection } from '../connection/connection.js'

type Page = Pick<ClientsPage, 'total' | 'clients' | 'next'>
/** A socket's place in the list. It stays where it is when that socket is gone, and so does the page behind it. */
type Place = Pick<ClientRecord, 'connected_at' | 'client_id'>

/** A page of sockets, oldest first. */
export function pageOf (connections: readonly Connection[], { after, limit }: ClientsQuery): Page {
  const records = connections.map((connection) => connection.toRecord()).sort(byPlace)
  return { ...cut(after === undefined ? records : records.filter((record) => byPlace(record, placeOf(after)) > 0), limit), total: records.length }
}

/** One page of several that begin at the same place. */
export function pageOfRecords (pages: readonly Page[], limit: number): Page {
  const records = pages.flatMap(({ clients }) => clients).sort(byPlace)
  const page = cut(records, limit)
  const isCut = pages.some(({ next }) => next !== null)
  return { total: pages.reduce((total, page) => total + page.total, 0), clients: page.clients, next: page.next ?? (isCut ? cursorOf(page.clients.at(-1)!) : null) }
}

function cut (records: ClientRecord[], limit: number): Omit<Page, 'total'> {
  const clients = records.slice(0, limit)
  return { clients, next: records.length > limit ? cursorOf(clients.at(-1)!) : null }
}

function byPlace (a: Place, b: Place): number {
  return a.connected_at - b.connected_at || Number(a.client_id > b.client_id) - Number(a.client_id < b.client_id)
}

function cursorOf ({ connected_at: connectedAt, client_id: id }: Place): string {
  return `${connectedAt}:${id}`
}

function placeOf (cursor: string): Place {
  const [connectedAt, id] = cursor.split(':') as [string, string]
  return { connected_at: Number(connectedAt), client_id: id }
}
