import { createHash, randomBytes } from 'node:crypto'
import type { Ticket } from '../../schemas/rest.js'
import { ExpiringMap } from '../engine/expiring-map.js'
import { RateLimitedError, UnauthorizedError, UnavailableError } from '../errors.js'
import type { Counters } from '../telemetry/counters.js'
import type { User } from './user.js'

/** RFC 6750 section 5.2 asks for tokens that cannot be guessed: 128 bits. */
const TICKET_BYTES = 16
/** base64url of so many bytes. */
const TICKET = /^[\w-]{22}$/

/**
 * Where tickets wait to be used. Its keys are hashes, so that what it holds opens nothing. Every value survives JSON.
 */
export interface TicketStore {
  /**
   * Keeps a user under a new key. Resolves when `take` can find it, on every node.
   *
   * @throws WSM_ERR_RATE_LIMITED when the user has too many already, WSM_ERR_UNAVAILABLE when there is no room
   */
  put (key: string, user: User, expiresAt: number): Promise<void>
  /**
   * Takes a user out: of any number of callers, on any node, exactly one gets it. null: it is not there, or expired.
   *
   * @throws WSM_ERR_UNAVAILABLE when it cannot be known
   */
  take (key: string): Promise<User | null>
  close (): void
}

/** Tickets for sockets: each opens one, once, for the user who asked for it. */
export class Tickets {
  readonly #store: TicketStore
  readonly #ttlMs: number

  constructor (store: TicketStore, ttlMs: number) {
    this.#store = store
    this.#ttlMs = ttlMs
  }

  /** @throws as {@link TicketStore.put} does */
  async issue (user: User): Promise<Ticket> {
    const ticket = randomBytes(TICKET_BYTES).toString('base64url')
    // Not longer than what it was given for; and what it opens expires with that, too.
    const expiresAt = Math.min(Date.now() + this.#ttlMs, user.expiresAt ?? Infinity)
    await this.#store.put(keyOf(ticket), user, expiresAt)
    return { ticket, expires_at: expiresAt }
  }

  /** @throws WSM_ERR_UNAUTHORIZED for a ticket that there is not, or not any more */
  async redeem (ticket: unknown): Promise<User> {
    const user = typeof ticket === 'string' && TICKET.test(ticket) ? await this.#store.take(keyOf(ticket)) : null
    if (user === null) throw new UnauthorizedError('The ticket is not valid')
    return user
  }

  close (): void {
    this.#store.close()
  }
}

export interface TicketBounds { perUser: number, inAll: number }

/** Tickets of one node. */
export class MemoryTicketStore implements TicketStore {
  readonly #tickets: ExpiringMap<string, { user: User, expiresAt: number }>
  /** When each user's unused ones expire, by their keys. */
  readonly #ofUsers: ExpiringMap<string, Map<string, number>>
  readonly #bounds: TicketBounds
  readonly #counters: Counters

  constructor (ttlMs: number, counters: Counters, bounds: TicketBounds = { perUser: 20, inAll: 20_000 }) {
    this.#tickets = new ExpiringMap(ttlMs)
    this.#ofUsers = new ExpiringMap(ttlMs)
    this.#bounds = bounds
    this.#counters = counters
  }

  async put (key: string, user: User, expiresAt: number): Promise<void> {
    const unused = this.#ofUsers.get(user.id) ?? new Map<string, number>()
    for (const [old, expiry] of unused) if (expiry <= Date.now()) unused.delete(old)
    if (unused.size >= this.#bounds.perUser) {
      this.#counters.refusals.tickets++
      throw new RateLimitedError('The user has too many tickets; use them, or wait until they expire')
    }
    if (this.#tickets.size >= this.#bounds.inAll) {
      this.#counters.refusals.tickets++
      throw new UnavailableError('There are too many tickets; try again later')
    }
    this.#ofUsers.set(user.id, unused.set(key, expiresAt))
    this.#tickets.set(key, { user, expiresAt })
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

function keyOf (ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url')
}
