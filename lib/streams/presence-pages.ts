import type { PresenceList } from '../../schemas/records.js'
import type { ChannelPage, ChannelQuery } from '../../schemas/rest.js'
import type { PresentClient } from '../engine/engine.js'
import { compareTexts, firstPage } from '../pages.js'

/** Groups sockets by user. */
export function byUser (clients: readonly PresentClient[]): PresenceList {
  const users = new Map<string | null, string[]>()
  for (const { client_id: id, user_id: user } of clients) {
    const ids = users.get(user)
    if (ids === undefined) users.set(user, [id])
    else ids.push(id)
  }
  return { clients: clients.length, users: [...users].map(([user_id, client_ids]) => ({ user_id, client_ids })) }
}

/** Returns a page of sockets, by user and then by id, anonymous ones first. The cursor is `<client_id>:<user_id>` of the last one. */
export function pageOfPresent (clients: readonly PresentClient[], { limit, after }: ChannelQuery): Pick<ChannelPage, 'presence' | 'next'> {
  const place = after === undefined ? null : placeOf(after)
  const behind = clients.filter((client) => place === null || byPlace(client, place) > 0).sort(byPlace)
  const { items, next } = firstPage(behind, limit, cursorOf)
  return { presence: { ...byUser(items), clients: clients.length }, next }
}

function cursorOf ({ client_id: id, user_id: user }: PresentClient): string {
  return `${id}:${user ?? ''}`
}

function placeOf (cursor: string): PresentClient {
  const end = cursor.indexOf(':')
  return { client_id: cursor.slice(0, end), user_id: cursor.slice(end + 1) }
}

/** Compares by user, then by id. User ids are never empty, so an empty one means anonymous. */
function byPlace (a: PresentClient, b: PresentClient): number {
  return compareTexts(a.user_id ?? '', b.user_id ?? '') || compareTexts(a.client_id, b.client_id)
}
