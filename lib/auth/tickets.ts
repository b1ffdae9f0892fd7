import { createHash, randomBytes } from 'node:crypto'
import type { Ticket } from '../../schemas/rest.js'
import type { Clock, TicketStore } from '../engine/engine.js'
import { UnauthorizedError } from '../errors.js'
import type { Limits } from '../telemetry/limits.js'
import type { User } from '../user.js'

/** RFC 6750 section 5.2 requires tokens that cannot be guessed: 128 bits. */
const TICKET_BYTES = 16
/** The same number of bytes in base64url. */
const TICKET = /^[\w-]{22}$/

/** Tickets for sockets: each opens one socket, once, for the user who requested it. */
export class Tickets {
  readonly #store: TicketStore
  readonly #ttlMs: number
  readonly #clock: Clock
  readonly #limit: Limits['tickets']

  constructor (store: TicketStore, ttlMs: number, clock: Clock, limit: Limits['tickets']) {
    this.#store = store
    this.#ttlMs = ttlMs
    this.#clock = clock
    this.#limit = limit
  }

  /** @throws WSM_ERR_RATE_LIMITED if the user has too many tickets, WSM_ERR_UNAVAILABLE if there is no room or no store */
  async issue (user: User): Promise<Ticket> {
    const ticket = randomBytes(TICKET_BYTES).toString('base64url')
    // Never outlives the token it was issued for; the socket it opens expires with that token, too.
    const expiresAt = Math.min(this.#clock.now() + this.#ttlMs, user.expiresAt ?? Infinity)
    const outcome = await this.#store.put(keyOf(ticket), user, expiresAt)
    if (outcome !== 'kept') throw this.#limit.refuse(outcome === 'user_full' ? 'user' : 'node')
    return { ticket, expires_at: expiresAt }
  }

  /** @throws WSM_ERR_UNAUTHORIZED for an unknown, used or expired ticket, WSM_ERR_UNAVAILABLE */
  async redeem (ticket: unknown): Promise<User> {
    const user = typeof ticket === 'string' && TICKET.test(ticket) ? await this.#store.take(keyOf(ticket)) : null
    if (user === null) throw new UnauthorizedError('The ticket is not valid')
    return user
  }
}

function keyOf (ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url')
}
