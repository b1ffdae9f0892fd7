import type { FastifyBaseLogger } from 'fastify'
import type { ConfirmationRecord } from '../../schemas/records.js'
import type { ConfirmationStore, DueTime } from '../engine/engine.js'
import type { Announcements } from './announcements.js'
import type { Endings } from './endings.js'
import { meansProceed } from './question.js'

/** Time for the asking node to announce a question; then any node does. */
const ANNOUNCE_MS = 1_000
/** Lease on a due time that a node has taken; longer than a publication takes to fail. */
const LEASE_MS = 2_000
/** Interval of looking at the list. */
const POLL_MS = 1_000
/** Shortest time between two looks. It lets the asking node, whose own timers are exact, be first. */
const PAUSE_MS = 20
const PAGE_SIZE = 100

/** The due times that a question is stored with. */
export function dueTimesOf ({ created_at: createdAt, expires_at: expiresAt }: ConfirmationRecord): DueTime[] {
  return [{ kind: 'announce', at: createdAt + ANNOUNCE_MS }, { kind: 'expire', at: expiresAt }]
}

/**
 * Does what is due, on whichever node is first: the node that asked may be gone. An action that fails is taken again when its lease
 * is over, by any node, until the question has ended.
 */
export class DueTimes {
  readonly #store: ConfirmationStore
  readonly #log: FastifyBaseLogger
  /** By kind. A kind that is not here is left to nodes that know it. */
  readonly #actions: Partial<Record<string, (record: ConfirmationRecord) => Promise<unknown>>>
  #timer: NodeJS.Timeout | null = null
  #isLooking = false
  #isClosed = false

  constructor (store: ConfirmationStore, announcements: Announcements, endings: Endings, log: FastifyBaseLogger) {
    this.#store = store
    this.#log = log
    this.#actions = {
      announce: async (record) => {
        if (!await announcements.announce(record, 'debug')) return
        // It may have ended meanwhile; its end was then told before it, and the client would show it for ever.
        const now = await store.get(record.callback_id)
        if (now !== null && now.status !== 'pending') await endings.tell(now)
      },
      expire: (record) => endings.end(record.callback_id, 'expired', meansProceed(record))
    }
  }

  /** Looks at the list from now on. A node that is alone is woken instead, when there is something to look for. */
  start (): void {
    if (this.#store.outlivesNode) this.wake()
  }

  /** Looks at the list soon, and as long as something is in it. */
  wake (): void {
    if (this.#timer === null && !this.#isLooking) this.#schedule(POLL_MS)
  }

  /** Idempotent. */
  close (): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #schedule (inMs: number): void {
    if (this.#isClosed) return
    // Spread, since of nodes that look at the same time all but one look in vain.
    const pollMs = POLL_MS * (0.75 + Math.random() / 2)
    this.#timer = setTimeout(() => this.#look(), Math.min(pollMs, inMs + PAUSE_MS * (1 + Math.random())))
  }

  async #look (): Promise<void> {
    this.#timer = null
    this.#isLooking = true
    let nextInMs: number | null = POLL_MS
    try {
      const taken = await this.#store.takeDue(PAGE_SIZE, LEASE_MS)
      nextInMs = taken.nextInMs
      for (const { kind, record } of taken.due) this.#act(kind, record)
    } catch (error) {
      this.#log.debug({ err: error }, 'due times of questions could not be read')
    }
    this.#isLooking = false
    if (nextInMs !== null || this.#store.outlivesNode) this.#schedule(nextInMs ?? POLL_MS)
  }

  async #act (kind: string, record: ConfirmationRecord): Promise<void> {
    try {
      await this.#actions[kind]?.(record)
    } catch (error) {
      this.#log.debug({ err: error, callback_id: record.callback_id, kind }, 'a due action of a question failed; it is retried')
    }
  }
}
