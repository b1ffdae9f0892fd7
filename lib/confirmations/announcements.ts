import type { FastifyBaseLogger } from 'fastify'
import type { ConfirmationRecord } from '../../schemas/records.js'
import type { Cluster, ConfirmationStore } from '../engine/engine.js'
import { logThrown } from '../thrown.js'
import type { Publisher } from '../topics/publisher.js'
import { topicOf } from '../topics/topic-names.js'

/**
 * How long an announcement is noted later than it was made: most questions that are answered at once need no note, and those of
 * a node are noted together. Well below the time after which other nodes announce a question again.
 */
const NOTE_MS = 200

/** Shows questions to the open sockets of their users. */
export class Announcements {
  readonly #store: ConfirmationStore
  readonly #publisher: Publisher
  readonly #cluster: Pick<Cluster, 'availability'>
  readonly #log: FastifyBaseLogger
  /** Open, on their way out. */
  readonly #begun = new Set<string>()
  /** Open and announced, not noted yet. */
  readonly #made = new Set<string>()
  #timer: NodeJS.Timeout | null = null

  constructor (store: ConfirmationStore, publisher: Publisher, cluster: Pick<Cluster, 'availability'>, log: FastifyBaseLogger) {
    this.#store = store
    this.#publisher = publisher
    this.#cluster = cluster
    this.#log = log
  }

  /** Resolves to whether every node has it, or will have. A question can be announced more than once: clients key it by callback_id. Never rejects. */
  async announce ({ callback_id: id, user_id: userId, question }: ConfirmationRecord, level: 'error' | 'debug'): Promise<boolean> {
    // Else it may have been shown to some of the sockets only.
    const { status, reasons } = this.#cluster.availability
    const reachesAll = status !== 'unavailable' && !reasons.includes('subscriptions_behind')
    this.#begun.add(id)
    try {
      await this.#publisher.announce(topicOf.user(userId), question)
    } catch (error) {
      logThrown(this.#log, level, error, { callback_id: id }, 'a question could not be announced')
      this.#begun.delete(id)
      return false
    }
    if (!this.#begun.delete(id)) return true
    if (!reachesAll) return false
    this.#made.add(id)
    if (this.#store.outlivesNode) this.#timer ??= setTimeout(() => this.#note(), NOTE_MS)
    else await this.#note()
    return true
  }

  /** Nothing is left to note of a question that has ended. */
  ended (callbackId: string): void {
    this.#begun.delete(callbackId)
    this.#made.delete(callbackId)
  }

  /** Idempotent. */
  close (): void {
    if (this.#timer !== null) this.#note()
  }

  async #note (): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const ids = [...this.#made]
    this.#made.clear()
    if (ids.length === 0) return
    try {
      await this.#store.done(ids, 'announce')
    } catch (error) {
      this.#log.debug({ err: error }, 'announced questions could not be noted; they are announced again')
    }
  }
}
