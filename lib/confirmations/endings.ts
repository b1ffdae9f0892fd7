import type { FastifyBaseLogger } from 'fastify'
import type { ConfirmationRecord, ConfirmationOutcome } from '../../schemas/records.js'
import type { ConfirmationStore, Settled, Settlement } from '../engine/engine.js'
import { AlreadySettledError, ForbiddenError, NotFoundError } from '../errors.js'
import { withDetails } from '../wire-error.js'
import { logThrown } from '../thrown.js'
import type { Publisher } from '../streams/publisher.js'
import { topicOf } from '../topic-names.js'

/**
 * The result of an attempt to end a question: the record with the end that came first, and the milliseconds left where it is too early
 * to expire. `lost`: the store no longer has the question. `failed`: the store was out of reach.
 */
export type Ending = { record: ConfirmationRecord, leftMs: number } | 'lost' | 'failed'

/** Ends questions, and notifies their users. */
export class Endings {
  readonly #store: ConfirmationStore
  readonly #publisher: Publisher
  readonly #log: FastifyBaseLogger

  constructor (store: ConfirmationStore, publisher: Publisher, log: FastifyBaseLogger) {
    this.#store = store
    this.#publisher = publisher
    this.#log = log
  }

  /** Ends a question. @throws WSM_ERR_NOT_FOUND, WSM_ERR_ALREADY_SETTLED with how the question ended */
  async settle (callbackId: string, settlement: Settlement): Promise<ConfirmationRecord> {
    return this.#ended(callbackId, await this.#store.settle(callbackId, settlement))
  }

  /**
   * Ends a question by a user's answer, unless the answer must be checked first: then it resolves to the open record.
   *
   * @throws WSM_ERR_FORBIDDEN for another user's question; as `settle`
   */
  async settleAs (userId: string, callbackId: string, settlement: Settlement): Promise<ConfirmationRecord> {
    const result = await this.#store.settleAs(userId, callbackId, settlement)
    if (result !== null && result.record.user_id !== userId) throw new ForbiddenError('The question is for another user')
    return result?.record.status === 'pending' ? result.record : this.#ended(callbackId, result)
  }

  /** Ends a question without an answer. An earlier end is no fault here. Never rejects. */
  async end (callbackId: string, outcome: ConfirmationOutcome, proceed: boolean): Promise<Ending> {
    try {
      const result = await this.#store.settle(callbackId, { outcome, proceed, answered_by: null })
      if (result === null) return 'lost'
      const { won, record, leftMs = 0 } = result
      if (won) this.tell(record)
      return { record, leftMs }
    } catch (error) {
      logThrown(this.#log, 'error', error, { callback_id: callbackId }, 'a question could not be ended')
      return 'failed'
    }
  }

  /** Publishes the end of a question to its user's sockets. Never rejects: the record counts, and a socket that connects later gets open questions only. */
  async tell (record: ConfirmationRecord): Promise<void> {
    const { callback_id, task_id, status, proceed, answered_by } = record
    try {
      await this.#publisher.announce(topicOf.user(record.user_id), {
        type: 'confirmation_closed', callback_id, task_id, outcome: status as ConfirmationOutcome, proceed, answered_by
      })
    } catch (error) {
      logThrown(this.#log, 'error', error, { callback_id }, 'the end of a question could not be announced')
    }
  }

  #ended (callbackId: string, result: Settled | null): ConfirmationRecord {
    if (result === null) throw new NotFoundError('There is no such question')
    const { won, record } = result
    if (won) {
      this.tell(record)
      return record
    }
    throw withDetails(new AlreadySettledError('The question has already ended'), {
      callback_id: callbackId, outcome: record.status, proceed: record.proceed, answered_by: record.answered_by, settled_at: record.settled_at
    })
  }
}
