import type { Static, TSchema } from '@sinclair/typebox'
import type { FastifyBaseLogger } from 'fastify'
import type { Answer, AnsweredBy, ConfirmationRecord, Outcome } from '../../schemas/records.js'
import type { ConfirmationsPage } from '../../schemas/rest.js'
import type { Connection } from '../connection/connection.js'
import { cursorOf, readCursor } from '../pages.js'
import type { ConfirmationFilter, ConfirmationStore, QuestionPage, QuestionPlace, Settlement } from '../engine/engine.js'
import { AlreadySettledError, ForbiddenError, NotFoundError, UnavailableError, withDetails } from '../errors.js'
import type { EventHub } from '../events.js'
import type { Options } from '../options.js'
import { encode } from '../protocol/encode.js'
import { assertValid } from '../protocol/faults.js'
import { snapshot } from '../protocol/snapshot.js'
import { logThrown } from '../thrown.js'
import type { Publisher } from '../topics/publisher.js'
import { topicOf } from '../topics/topic-names.js'
import { checkList, type ListOptions } from './list.js'
import type { OpenQuestions } from './open-questions.js'
import {
  answerCheck, assertAnswers, meansProceed, toConfirmation, toRecord, type AskOptions, type StepResult, type UserConfirmation
} from './question.js'
import { Waiters } from './waiters.js'

/** A question that code on this node waits for. */
interface Asked {
  timer: NodeJS.Timeout
  stopListening: () => void
  /** Ends the wait of the asking code, whatever the store says: not to go on. */
  leave: (outcome: Outcome) => void
}

/** How long after the store could not be reached a question that has run out is tried again. */
const RETRY_MS = 1_000

/** How long after its time a question is ended by others, since the node that asked is gone: clocks differ. */
const ORPHANED_MS = 5_000

/** Questions that are read at once. */
const PAGE_SIZE = 100

/** A timer that is set for longer fires at once. */
const MAX_TIMER_MS = 2_147_483_647

/**
 * Questions to people. A question is stored, sent to every socket of its user and again to each one that connects,
 * and ends exactly once: by the first answer, by time-out, or because it is taken back.
 */
export class Confirmations {
  readonly #store: ConfirmationStore
  readonly #publisher: Publisher
  readonly #events: EventHub
  readonly #open: OpenQuestions
  readonly #defaults: Options['confirmations']
  readonly #log: FastifyBaseLogger
  readonly #asked = new Map<string, Asked>()
  readonly #waiters = new Waiters<ConfirmationRecord>()
  #isClosed = false

  constructor (store: ConfirmationStore, publisher: Publisher, events: EventHub, open: OpenQuestions, defaults: Options['confirmations'],
    log: FastifyBaseLogger) {
    this.#store = store
    this.#publisher = publisher
    this.#events = events
    this.#open = open
    this.#defaults = defaults
    this.#log = log
    store.onSettled((record) => this.#settled(record))
  }

  get pendingCount (): number {
    return this.#store.pendingCount()
  }

  /**
   * Asks, and resolves when the question has ended, however it ended.
   *
   * @throws WSM_ERR_INVALID_MESSAGE for a question without a message, a step, a user or a task, for a `result` that JSON
   *   cannot hold, a `timeoutMs` out of range, and an `answer` that is no TypeBox schema or that not every
   *   node could check; WSM_ERR_TOO_MANY_CONFIRMATIONS
   */
  async ask<S extends TSchema = TSchema> (result: StepResult, options: AskOptions<S>): Promise<UserConfirmation<Static<S>>> {
    const record = toRecord(result, options, this.#defaults)
    if (this.#isClosed || options.signal?.aborted === true) {
      return { proceed: false, outcome: this.#isClosed ? 'closed' : 'aborted', callback_id: record.callback_id }
    }
    this.#open.begin(record.user_id)
    const waiter = this.#waiters.start(record.callback_id)
    try {
      await this.#create(record)
      const left = this.#arm(record, options.signal)
      // Else it ended while it was stored: a client that is told now would show it for ever.
      if (this.#asked.has(record.callback_id)) await this.#announce(record.user_id, record.question)
      return toConfirmation<Static<S>>(await Promise.race([waiter.promise, left]))
    } finally {
      waiter.stop()
      this.#disarm(record.callback_id)
      this.#open.end(record.user_id)
    }
  }

  /**
   * A person's answer.
   *
   * @throws WSM_ERR_NOT_FOUND, WSM_ERR_FORBIDDEN for anybody but the addressed user, WSM_ERR_INVALID_MESSAGE where the
   *   answer does not fit the question, WSM_ERR_UNAVAILABLE where this node cannot check it, WSM_ERR_ALREADY_SETTLED with how
   *   the question ended
   * @param assertMay called in the turn in which the answer is stored; throws where it must not be any more
   */
  async answer (callbackId: string, { proceed, feedback, answer }: Answer, by: AnsweredBy, assertMay = () => {}): Promise<ConfirmationRecord> {
    const record = await this.get(callbackId)
    if (record.user_id !== by.user_id) throw new ForbiddenError('The question is for somebody else')
    // A late answer is told that it is late, even if it is also malformed.
    if (proceed && record.status === 'pending') assertAnswers(this.#answerCheck(record), answer)
    // A snapshot, since not every answer comes as JSON, and what JSON cannot hold must not be in a list.
    const kept = answer === undefined ? undefined : snapshot(answer)
    assertMay()
    return this.#settle(callbackId, { outcome: proceed ? 'confirmed' : 'declined', proceed, feedback, answer: kept, answered_by: by })
  }

  /**
   * Takes a question back.
   *
   * @throws WSM_ERR_NOT_FOUND, WSM_ERR_ALREADY_SETTLED
   */
  async cancel (callbackId: string, feedback?: string): Promise<ConfirmationRecord> {
    return this.#settle(callbackId, { outcome: 'cancelled', proceed: false, feedback, answered_by: null })
  }

  /** Says if a task still asks its user something. */
  async isAsking (taskId: string, userId: string): Promise<boolean> {
    for await (const pending of this.#pages({ task_id: taskId, user_id: userId, status: 'pending' })) if (pending.length > 0) return true
    return false
  }

  /** Takes back whatever a task of a user still asks. */
  async cancelTask (taskId: string, userId: string): Promise<void> {
    for await (const pending of this.#pages({ task_id: taskId, user_id: userId, status: 'pending' })) {
      await Promise.all(pending.map((record) => this.#end(record.callback_id, 'cancelled', false)))
    }
  }

  /** @throws WSM_ERR_NOT_FOUND */
  async get (callbackId: string): Promise<ConfirmationRecord> {
    const record = await this.#store.get(callbackId)
    if (record === null) throw new NotFoundError('There is no such question')
    return this.#current(record)
  }

  /**
   * A page of what matches, oldest first. It can be shorter than `limit` also where more follows: `next` says so.
   *
   * @throws WSM_ERR_INVALID_MESSAGE for a filter that there is not, a limit out of range, and an `after` that is no `next`
   */
  async list (options: ListOptions = {}): Promise<ConfirmationsPage> {
    const { limit = PAGE_SIZE, after: cursor, ...filter } = options
    const after = cursor ?? undefined
    assertValid(checkList, { ...options, after })
    const { records, next } = await this.#page(filter, after === undefined ? null : placeOf(after), limit)
    return { confirmations: records, next: next === null ? null : cursorOf(next.created_at, next.callback_id) }
  }

  /**
   * Waits for the end of a question that somebody else asked.
   *
   * @throws WSM_ERR_NOT_FOUND; the signal's reason when it fires
   */
  async wait (callbackId: string, { signal }: { signal?: AbortSignal } = {}): Promise<UserConfirmation> {
    return toConfirmation(await this.poll(callbackId, signal))
  }

  /** Like `wait`, and resolves to the whole record. */
  async poll (callbackId: string, signal?: AbortSignal): Promise<ConfirmationRecord> {
    // Before the look-up, so that an end between the two is not missed.
    const waiter = this.#waiters.start(callbackId, signal)
    let timer
    try {
      const record = await this.get(callbackId)
      if (record.status !== 'pending') return record
      timer = setTimeout(() => this.#end(callbackId, 'expired', meansProceed(record)), Math.min(record.expires_at + ORPHANED_MS - Date.now(), MAX_TIMER_MS))
      return await waiter.promise
    } finally {
      clearTimeout(timer)
      waiter.stop()
    }
  }

  /** Sends a socket what its user has not answered yet. A question can reach a client twice: it is keyed by callback_id. */
  async redeliver (connection: Connection): Promise<void> {
    const userId = connection.user?.id
    if (userId === undefined) return
    // Not by #pages: every socket that opens would pay for its generator.
    let after: QuestionPlace | null = null
    do {
      const page: QuestionPage = await this.#page({ user_id: userId, status: 'pending' }, after, PAGE_SIZE)
      for (const { question } of page.records) {
        // No faster than the client reads: together they can be more than may wait for a socket.
        while (connection.isOpen && connection.isCongested) await connection.drained()
        // Meanwhile it may have ended, or become another user's.
        if (!connection.isOpen || connection.user?.id !== userId) return
        connection.send(encode(question))
      }
      after = page.next
    } while (after !== null)
  }

  /** Ends every question that this node asked, or where others can go on with it, the wait for it. Idempotent. */
  async close (): Promise<void> {
    this.#isClosed = true
    for (const { timer, leave } of this.#asked.values()) {
      clearTimeout(timer)
      if (this.#store.outlivesNode) leave('closed')
    }
    if (!this.#store.outlivesNode) await Promise.all([...this.#asked.keys()].map((callbackId) => this.#end(callbackId, 'closed', false)))
  }

  /** @throws WSM_ERR_UNAVAILABLE where this node cannot check an answer; the question stays open, and another node may be able to */
  #answerCheck (record: ConfirmationRecord): ReturnType<typeof answerCheck> {
    try {
      return answerCheck(record)
    } catch (error) {
      this.#log.error({ err: error, callback_id: record.callback_id }, 'this node cannot check an answer against its schema')
      throw new UnavailableError(`The answer cannot be checked: the question's schema ${(error as Error).message}`)
    }
  }

  async * #pages (filter: ConfirmationFilter): AsyncIterableIterator<ConfirmationRecord[]> {
    let after: QuestionPlace | null = null
    do {
      const { records, next }: QuestionPage = await this.#page(filter, after, PAGE_SIZE)
      yield records
      after = next
    } while (after !== null)
  }

  /** Not checked: runs for every socket that opens. */
  async #page (filter: ConfirmationFilter, after: QuestionPlace | null, limit: number): Promise<QuestionPage> {
    const page = await this.#store.list(filter, after, limit)
    const { records, next } = page
    if (records.length === 0) return page
    const current = await Promise.all(records.map((record) => this.#current(record)))
    return { records: filter.status === undefined ? current : current.filter(({ status }) => status === filter.status), next }
  }

  /** From now on the question can end by itself. What happened while it was stored counts, too. */
  #arm (record: ConfirmationRecord, signal?: AbortSignal): Promise<ConfirmationRecord> {
    const { callback_id: callbackId, question } = record
    let leave!: Asked['leave']
    const left = new Promise<ConfirmationRecord>((resolve) => { leave = (status) => resolve({ ...record, status, proceed: false }) })
    const abort = () => this.#end(callbackId, 'aborted', false)
    signal?.addEventListener('abort', abort, { once: true })
    this.#asked.set(callbackId, {
      timer: setTimeout(() => this.#end(callbackId, 'expired', meansProceed(record)), question.expires_at - question.timestamp),
      stopListening: () => signal?.removeEventListener('abort', abort),
      leave
    })
    if (this.#isClosed) this.close()
    else if (signal?.aborted === true) abort()
    return left
  }

  async #create (record: ConfirmationRecord): Promise<void> {
    try {
      await this.#store.create(record)
    } catch (error) {
      // It may have been stored all the same; nobody waits for it, so it is ended.
      this.#end(record.callback_id, 'aborted', false)
      throw error
    }
  }

  #disarm (callbackId: string): void {
    const asked = this.#asked.get(callbackId)
    if (asked === undefined) return
    clearTimeout(asked.timer)
    asked.stopListening()
    this.#asked.delete(callbackId)
  }

  async #settle (callbackId: string, settlement: Settlement): Promise<ConfirmationRecord> {
    const result = await this.#store.settle(callbackId, settlement)
    if (result === null) throw new NotFoundError('There is no such question')
    const { won, record } = result
    if (won) {
      this.#announceEnd(record)
      return record
    }
    throw withDetails(new AlreadySettledError('The question has ended already'), {
      callback_id: callbackId, outcome: record.status, proceed: record.proceed, answered_by: record.answered_by, settled_at: record.settled_at
    })
  }

  /**
   * Ends a question without a person. That somebody was faster is no fault here. Never rejects.
   *
   * @returns how it ended; null where that is not known
   */
  async #end (callbackId: string, outcome: Outcome, proceed: boolean): Promise<ConfirmationRecord | null> {
    try {
      const result = await this.#store.settle(callbackId, { outcome, proceed, answered_by: null })
      // The store has lost it, perhaps with an answer, but not the code that waits for it here: nobody has said yes.
      if (result === null) this.#asked.get(callbackId)?.leave(outcome)
      else if (result.won) this.#announceEnd(result.record)
      return result?.record ?? null
    } catch (error) {
      logThrown(this.#log, 'error', error, { callback_id: callbackId }, 'a question could not be ended')
      const asked = this.#asked.get(callbackId)
      if (asked !== undefined && outcome === 'expired' && !this.#isClosed) {
        asked.timer = setTimeout(() => this.#end(callbackId, outcome, proceed), RETRY_MS)
      }
      return null
    }
  }

  /** A question whose node is gone ends when somebody looks at it, or waits for it, after its time. */
  async #current (record: ConfirmationRecord): Promise<ConfirmationRecord> {
    if (record.status !== 'pending' || Date.now() < record.expires_at + ORPHANED_MS) return record
    return await this.#end(record.callback_id, 'expired', meansProceed(record)) ?? record
  }

  /** On every node. */
  #settled (record: ConfirmationRecord): void {
    this.#disarm(record.callback_id)
    this.#waiters.settle(record.callback_id, record)
    this.#events.emit('confirmation_settled', { confirmation: record })
  }

  /** On the node that ended it. */
  #announceEnd (record: ConfirmationRecord): void {
    this.#announce(record.user_id, {
      type: 'confirmation_closed',
      callback_id: record.callback_id,
      task_id: record.task_id,
      outcome: record.status,
      proceed: record.proceed,
      answered_by: record.answered_by
    })
  }

  /** The record is what counts: a frame that cannot be sent now is made up for by the next connect. */
  async #announce (userId: string, frame: object): Promise<void> {
    try {
      await this.#publisher.announce(topicOf.user(userId), frame)
    } catch (error) {
      logThrown(this.#log, 'error', error, {}, 'a question could not be announced')
    }
  }
}

function placeOf (cursor: string): QuestionPlace {
  const [createdAt, id] = readCursor(cursor)
  return { created_at: createdAt, callback_id: id }
}
