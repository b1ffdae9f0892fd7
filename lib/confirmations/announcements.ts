import type { FastifyBaseLogger } from 'fastify'
import type { ConfirmationRecord } from '../../schemas/records.js'
import type { Cluster, ConfirmationStore } from '../engine/engine.js'
import { logThrown } from '../thrown.js'
import type { Publisher } from '../streams/publisher.js'
import { topicOf } from '../topic-names.js'

/**
 * Delay before announcements are recorded in the store, so that they are recorded in batches, and not at all for a question that is
 * answered at once. Well below the time after which other nodes repeat an announcement.
 */
const NOTE_MS = 200

/** Shows questions to the open sockets of their users. */
export class Announcements {
  readonly #store: ConfirmationStore
  readonly #publisher: Publisher
  readonly #cluster: Pick<Cluster, 'availability'>
  readonly #log: FastifyBaseLogger
  /** Questions being published that have not ended meanwhile. */
  readonly #begun = new Set<string>()
  /** Questions announced, but not recorded in the store yet. */
  readonly #made = new Set<string>()
  #timer: NodeJS.Timeout | null = null

  constructor (store: ConfirmationStore, publisher: Publisher, cluster: Pick<Cluster, 'availability'>, log: FastifyBaseLogger) {
    this.#store = store
    this.#publisher = publisher
    this.#cluster = cluster
    this.#log = log
  }

  /**
   * Announces a question. Resolves to true where it reaches every open socket of the user, or has ended. Announcing twice is harmless:
   * clients key questions by callback_id. Never rejects.
   */
  async announce ({ callback_id: id, user_id: userId, question }: ConfirmationRecord, level: 'error' | 'debug'): Promise<boolean> {
    // Read before publishing: during an outage only some of the sockets may be reached.
    const { status, reasons } = this.#cluster.availability
    let reachesAll = status !== 'unavailable' && !reasons.includes('subscriptions_behind')
    this.#begun.add(id)
    try {
      if (!await this.#publisher.announce(topicOf.user(userId), question)) reachesAll = false
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

  /** Forgets a question that has ended: its announcement need not be recorded. */
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
      this.#log.debug({ err: error }, 'announcements of questions could not be recorded and will be repeated')
    }
  }
}
