import type { User } from '../../user.js'
import type { TicketBounds, TicketStore } from '../engine.js'
import { ExpiringMap } from '../expiring-map.js'

/** The tickets of one node. */
export class MemoryTicketStore implements TicketStore {
  readonly #tickets: ExpiringMap<string, { user: User, expiresAt: number }>
  /** Expiry of each user's unused tickets, by key. */
  readonly #ofUsers: ExpiringMap<string, Map<string, number>>
  readonly #bounds: TicketBounds

  /** @param ttlMs maximum lifetime of a ticket */
  constructor (ttlMs: number, bounds: TicketBounds = { perUser: 20, inAll: 20_000 }) {
    this.#tickets = new ExpiringMap(ttlMs)
    this.#ofUsers = new ExpiringMap(ttlMs)
    this.#bounds = bounds
  }

  async put (key: string, user: User, expiresAt: number): Promise<'kept' | 'user_full' | 'full'> {
    const unused = this.#ofUsers.get(user.id) ?? new Map<string, number>()
    for (const [old, expiry] of unused) if (expiry <= Date.now()) unused.delete(old)
    if (unused.size >= this.#bounds.perUser) return 'user_full'
    if (this.#tickets.size >= this.#bounds.inAll) return 'full'
    this.#ofUsers.set(user.id, unused.set(key, expiresAt))
    this.#tickets.set(key, { user, expiresAt })
    return 'kept'
  }

  async take (key: string): Promise<User | null> {
    const entry = this.#tickets.get(key)
    if (entry === undefined) return null
    this.#tickets.delete(key)
    this.#ofUsers.get(entry.user.id)?.delete(key)
    return entry.expiresAt > Date.now() ? entry.user : null
  }

  close (): void {
    this.#tickets.clear()
    this.#ofUsers.clear()
  }
}
