import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { User } from '../../user.js'
import type { Clock, TicketBounds, TicketStore } from '../engine.js'
import type { Keys } from './keys.js'
import type { Lane } from './lane.js'
import type { Lineage } from './lineage.js'
import * as scripts from './ticket-scripts.js'
import { decodeHolder, encode } from './wire.js'

/** Tickets share a slot, like questions: there are few at a time, and the limits count all of them. */
const TICKETS = '~tickets'

/** The parts of the engine that tickets need. */
interface TicketParts { lineage: Lineage, keys: Keys, clock: Clock }

/** Tickets of all nodes: one issued by any node opens a socket on any other. */
export class RedisTicketStore implements TicketStore {
  readonly #lineage: Lineage
  readonly #lane: Lane
  readonly #base: string
  readonly #clock: Clock
  readonly #log: FastifyBaseLogger
  readonly #bounds: TicketBounds

  constructor ({ lineage, keys, clock }: TicketParts, log: FastifyBaseLogger, bounds: TicketBounds = { perUser: 20, inAll: 100_000 }) {
    this.#lineage = lineage
    this.#lane = lineage.lane(keys.lane(TICKETS))
    this.#base = keys.channel(TICKETS)
    this.#clock = clock
    this.#log = log
    this.#bounds = bounds
  }

  async put (key: string, user: User, expiresAt: number): Promise<'kept' | 'user_full' | 'full'> {
    const { perUser, inAll } = this.#bounds
    const lifeMs = Math.max(1, Math.ceil(expiresAt - this.#clock.now()))
    return await this.#lineage.run(this.#lane, scripts.put, [this.#key(key), `${this.#base}:user:${user.id}`, this.#all],
      [key, encode(user), lifeMs, perUser, inAll]) as 'kept' | 'user_full' | 'full'
  }

  async take (key: string): Promise<User | null> {
    const holder = await this.#lineage.run(this.#lane, scripts.take, [this.#key(key), this.#all], [key, randomUUID()]) as string | null
    if (holder === null) return null
    const user = decodeHolder(holder)
    if (user === null) this.#log.error({ key }, 'ignored a malformed ticket in Redis')
    return user
  }

  #key (key: string): string {
    return `${this.#base}:ticket:${key}`
  }

  get #all (): string {
    return `${this.#base}:all`
  }
}
