import type { FastifyBaseLogger } from 'fastify'
import type { ConfirmationRecord } from '../../schemas/records.js'
import type { ConfirmationStore, DueTime } from '../engine/engine.js'
import type { Announcements } from './announcements.js'
import type { Endings } from './endings.js'
import { meansProceed } from './question.js'

/** Time allowed for the asking node to announce a question; then any node does. */
const ANNOUNCE_MS = 1_000
/** Lease of a node on a due time; longer than a publication takes to fail. */
const LEASE_MS = 2_000
/** Interval between two polls of the list. */
const POLL_MS = 1_000
/** Minimum time between two polls. It lets the asking node, whose own timers are exact, be first. */
const PAUSE_MS = 20
const PAGE_SIZE = 100

/** Returns the due times of a new question. */
export function dueTimesOf ({ created_at: createdAt, expires_at: expiresAt }: ConfirmationRecord): DueTime[] {
  return [{ kind: 'announce', at: createdAt + ANNOUNCE_MS }, { kind: 'expire', at: expiresAt }]
}

/**
 * Processes due times, on whichever node is first: the node that asked may be gone. A failed action is retried by any node when its lease
 * has expired, until the question has ended.
 */
export class DueTimes {
  readonly #store: ConfirmationStore
  readonly #log: FastifyBaseLogger
  /** Actions by kind. An unknown kind is left to nodes that know it. */
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
        // It may have ended meanwhile: the client got the end before the question, and would show it for ever.
        const now = await store.get(record.callback_id)
        if (now !== null && now.status !== 'pending') await endings.tell(now)
      },
      expire: (record) => endings.end(record.callback_id, 'expired', meansProceed(record))
    }
  }

  /** Starts to poll the list. A single node polls only after `wake`. */
  start (): void {
    if (this.#store.outlivesNode) this.wake()
  }

  /** Polls the list soon, and until it is empty. */
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
    // Jitter: of nodes that poll at the same time only one finds something.
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
      this.#log.debug({ err: error, callback_id: record.callback_id, kind }, 'a due action of a question failed and will be retried')
    }
  }
}
