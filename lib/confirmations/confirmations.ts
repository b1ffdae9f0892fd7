import { Type } from '@sinclair/typebox'
import type { FastifyBaseLogger } from 'fastify'
import type { ConfirmationAnswer, AnsweredBy, ConfirmationRecord } from '../../schemas/records.js'
import type { ConfirmationsPage } from '../../schemas/rest.js'
import { onAbort, Signal, unlessAborted } from '../abort.js'
import type { AnySchema, StaticOf } from '../any-schema.js'
import type { Connection } from '../socket/connection.js'
import type { Clock, Cluster, ConfirmationStore, Settlement } from '../engine/engine.js'
import type { PreparedKind } from '../contract/prepared.js'
import { NotFoundError, UnavailableError } from '../errors.js'
import type { EventHub } from '../events.js'
import { snapshot } from '../protocol/snapshot.js'
import type { Publisher } from '../streams/publisher.js'
import { call, defineMethods, type Signature } from '../validation/call.js'
import { Announcements } from './announcements.js'
import { DueTimes, dueTimesOf } from './due-times.js'
import { Endings } from './endings.js'
import type { ConfirmationListOptions } from './list.js'
import type { ConfirmationOptions } from './options.js'
import type { OpenQuestions } from './open-questions.js'
import {
  answerCheck, checkedAnswer, draftOf, draftOfStep, meansProceed, toConfirmation, toRecord, type AskedQuestion, type AskOptions, type Draft, type Question,
  type StepResult, type UserConfirmation
} from './question.js'
import { QuestionLists } from './question-lists.js'
import { Waits, type Wait } from './waits.js'

/** The parts that questions work with. */
export interface ConfirmationParts {
  engine: { readonly confirmations: ConfirmationStore, readonly cluster: Pick<Cluster, 'availability'>, readonly clock: Pick<Clock, 'now'> }
  publisher: Publisher
  events: EventHub
  open: OpenQuestions
  log: FastifyBaseLogger
  /** Kinds of the contract; null: there is no contract. */
  kinds: ReadonlyMap<string, PreparedKind> | null
}

/** A question that is being asked: when it is stored, and how it ends. */
interface Asked { callbackId: string, stored: Promise<void>, end: Promise<UserConfirmation> }

/** The methods of a question that take arguments. */
export const questionSignatures = { 'question.settled': { parameters: { 'options?': Type.Object({ signal: Type.Optional(Signal) }, { additionalProperties: false }) } } } satisfies Record<string, Signature>

const methods = defineMethods(questionSignatures)

/**
 * Questions to people. A question is stored, shown to every open socket of its user and again to each one that connects,
 * and ends exactly once: by the first answer, by time-out, or because the app cancels it.
 *
 * Every end takes one way:
 * 1. A cause asks `Endings` for it: an answer, `cancel`, the deadline, the asking code's signal, a closing server.
 * 2. The store lets the first one win, and the winner's node publishes `confirmation_closed`.
 * 3. The store reports the end to every node, `#settled` here: waits end, announcements stop, the app gets `confirmation_settled`.
 */
export class Confirmations {
  readonly #store: ConfirmationStore
  readonly #clock: Pick<Clock, 'now'>
  readonly #events: EventHub
  readonly #open: OpenQuestions
  readonly #defaults: ConfirmationOptions['confirmations']
  readonly #log: FastifyBaseLogger
  /** Kinds of the contract; null: there is no contract. */
  readonly #kinds: ReadonlyMap<string, PreparedKind> | null
  readonly #endings: Endings
  readonly #lists: QuestionLists
  readonly #announcements: Announcements
  readonly #dueTimes: DueTimes
  readonly #waits: Waits
  #isClosed = false

  constructor ({ engine, publisher, events, open, log, kinds }: ConfirmationParts, defaults: ConfirmationOptions['confirmations']) {
    const { confirmations: store, cluster, clock } = engine
    this.#store = store
    this.#clock = clock
    this.#events = events
    this.#open = open
    this.#defaults = defaults
    this.#log = log
    this.#kinds = kinds
    this.#endings = new Endings(store, publisher, log)
    this.#lists = new QuestionLists(store, this.#endings, clock)
    this.#announcements = new Announcements(store, publisher, cluster, log)
    this.#dueTimes = new DueTimes(store, this.#announcements, this.#endings, log)
    this.#waits = new Waits(this.#endings)
    store.onSettled((record) => this.#settled(record))
  }

  get pendingCount (): number {
    return this.#store.pendingCount()
  }

  /** Starts to process due times, also of questions that other nodes have asked. */
  start (): void {
    this.#dueTimes.start()
  }

  /**
   * Asks, and resolves when the question has ended, however it ended.
   *
   * @throws WSM_ERR_INVALID_MESSAGE for a question without a message, a step, a user or a task, for a `result` that JSON
   *   cannot hold, and an `answer` that is no TypeBox schema or that not every
   *   node could check; WSM_ERR_TOO_MANY_CONFIRMATIONS; WSM_ERR_UNAVAILABLE where it cannot be stored;
   *   WSM_ERR_WAIT_INTERRUPTED half a second after its time, or after its signal, where the store cannot say how it ended,
   *   and when this node closes and others go on with the question
   */
  async notify<S extends AnySchema = AnySchema> (result: StepResult, options: AskOptions<S>): Promise<UserConfirmation<StaticOf<S>>> {
    return await this.#ask(draftOfStep(result, options)).end as UserConfirmation<StaticOf<S>>
  }

  /**
   * Asks, and resolves when the question is stored.
   *
   * @throws WSM_ERR_INVALID_MESSAGE for a question without a message or a user, and for data that JSON cannot hold or its kind does not
   *   describe; WSM_ERR_INVALID_ARGUMENT for a kind that is not in the contract, and an answer schema that not every node could check;
   *   WSM_ERR_TOO_MANY_CONFIRMATIONS; WSM_ERR_UNAVAILABLE where it cannot be stored
   */
  async ask (question: Question): Promise<AskedQuestion> {
    const { callbackId, stored, end } = this.#ask(draftOf(question, this.#kinds))
    // It may have ended before it was stored, or fail to be.
    await Promise.race([stored, end])
    return {
      callbackId,
      settled: (options) => call({ log: this.#log }, methods['question.settled'], [options], () => unlessAborted(end, options?.signal))
    }
  }

  #ask (draft: Draft): Asked {
    const { signal } = draft
    const record = toRecord(draft, this.#defaults, this.#clock.now())
    const { callback_id: callbackId } = record
    if (this.#isClosed || signal?.aborted === true) {
      const end = Promise.resolve<UserConfirmation>({ proceed: false, outcome: this.#isClosed ? 'closed' : 'aborted', callback_id: callbackId })
      return { callbackId, stored: Promise.resolve(), end }
    }
    this.#open.begin(record.user_id)
    const wait = this.#waits.begin(callbackId)
    let begun: Promise<void> | undefined
    const end = this.#ended(record, wait, signal, () => { begun = this.#begin(record, wait) })
    // Nothing has begun where the signal cannot be listened to.
    const stored = begun ?? end.then(() => {})
    // Nobody may come to await them.
    for (const promise of [stored, end]) promise.catch(() => {})
    return { callbackId, stored, end }
  }

  /** Begins a question, and waits for its end. */
  async #ended (record: ConfirmationRecord, wait: Wait, signal: AbortSignal | undefined, begin: () => void): Promise<UserConfirmation> {
    let ignoreAbort: (() => void) | undefined
    try {
      ignoreAbort = signal && onAbort(signal, () => { wait.end('aborted', false) })
      wait.expireIn(record.expires_at - record.created_at, meansProceed(record), true)
      begin()
      return toConfirmation(await wait.promise)
    } finally {
      wait.stop()
      this.#open.end(record.user_id)
      // Last, since a signal can be any object of the app's.
      ignoreAbort?.()
    }
  }

  /**
   * Ends a question by a person's answer.
   *
   * @throws WSM_ERR_NOT_FOUND, WSM_ERR_FORBIDDEN for anybody but the addressed user, WSM_ERR_INVALID_MESSAGE where the
   *   answer does not fit the question, WSM_ERR_UNAVAILABLE where this node cannot check it, WSM_ERR_ALREADY_SETTLED with how
   *   the question ended
   * @param assertMay called in the turn in which the answer is stored; throws where the person may no longer answer
   */
  async answer (callbackId: string, { proceed, feedback, answer }: ConfirmationAnswer, by: AnsweredBy, assertMay = () => {}): Promise<ConfirmationRecord> {
    // A snapshot, since not every answer comes as JSON, and a list of questions must be serializable.
    const kept = answer === undefined ? undefined : snapshot(answer)
    const settlement: Settlement = { outcome: proceed ? 'confirmed' : 'declined', proceed, feedback, answer: kept, answered_by: by }
    assertMay()
    const record = await this.#endings.settleAs(by.user_id, callbackId, settlement)
    if (record.status !== 'pending') return record
    const current = await this.#lists.current(record)
    // A late answer is refused as late, even if it is also malformed.
    if (proceed && current.status === 'pending') settlement.answer = checkedAnswer(this.#answerCheck(current), kept)
    assertMay()
    return this.#endings.settle(callbackId, settlement)
  }

  /**
   * Cancels a question.
   *
   * @throws WSM_ERR_NOT_FOUND, WSM_ERR_ALREADY_SETTLED
   */
  async cancel (callbackId: string, feedback?: string): Promise<ConfirmationRecord> {
    return this.#endings.settle(callbackId, { outcome: 'cancelled', proceed: false, feedback, answered_by: null })
  }

  /** Tells whether a task has an open question to its user. */
  async isAsking (taskId: string, userId: string): Promise<boolean> {
    for await (const pending of this.#lists.pages({ task_id: taskId, user_id: userId, status: 'pending' })) if (pending.length > 0) return true
    return false
  }

  /** Cancels the open questions of a user's task. */
  async cancelTask (taskId: string, userId: string): Promise<void> {
    for await (const pending of this.#lists.pages({ task_id: taskId, user_id: userId, status: 'pending' })) {
      await Promise.all(pending.map((record) => this.#endings.end(record.callback_id, 'cancelled', false)))
    }
  }

  /** Reads a question. null: there is none, or it ended longer than the retention ago. */
  get (callbackId: string): Promise<ConfirmationRecord | null> {
    return this.#lists.get(callbackId)
  }

  /**
   * Lists a page of matching questions, oldest first. A page can be shorter than `limit` although more follow: `next` says so.
   *
   * @throws WSM_ERR_INVALID_MESSAGE for an unknown filter, a limit out of range, and an `after` that is no `next`
   */
  async list (options: ConfirmationListOptions = {}): Promise<ConfirmationsPage> {
    return this.#lists.list(options)
  }

  /**
   * Waits for the end of a question that somebody else asked.
   *
   * @throws WSM_ERR_NOT_FOUND; the signal's reason when it fires; WSM_ERR_WAIT_INTERRUPTED as for `ask`
   */
  async wait (callbackId: string, { signal }: { signal?: AbortSignal } = {}): Promise<UserConfirmation> {
    return toConfirmation(await this.poll(callbackId, signal))
  }

  /** Like `wait`, and resolves to the whole record. */
  async poll (callbackId: string, signal?: AbortSignal): Promise<ConfirmationRecord> {
    // Before the look-up, so that an end between the two is not missed.
    const wait = this.#waits.begin(callbackId)
    const abort = () => wait.fail(signal!.reason)
    let ignoreAbort: (() => void) | undefined
    try {
      ignoreAbort = signal && onAbort(signal, abort)
      if (signal?.aborted === true) abort()
      const record = await Promise.race([wait.promise, this.get(callbackId)])
      if (record === null) throw new NotFoundError('There is no such question')
      if (record.status !== 'pending') return record
      if (this.#isClosed && this.#store.outlivesNode) wait.interrupt()
      if (wait.stored(record)) wait.expireIn(record.expires_at - this.#clock.now(), meansProceed(record), false)
      return await wait.promise
    } finally {
      wait.stop()
      ignoreAbort?.()
    }
  }

  /** Sends a socket the open questions of its user. A question can reach a client twice: clients key it by callback_id. */
  async redeliver (connection: Connection): Promise<void> {
    return this.#lists.redeliver(connection)
  }

  /** Ends every question that this node waits for; only the wait where other nodes can go on with the question. Idempotent. */
  async close (): Promise<void> {
    this.#isClosed = true
    this.#dueTimes.close()
    this.#announcements.close()
    if (this.#store.outlivesNode) this.#waits.interruptAll()
    else await this.#waits.endAll('closed')
  }

  /** Stores a question, and then shows it. Where it cannot be stored, the wait fails, too. */
  async #begin (record: ConfirmationRecord, wait: Wait): Promise<void> {
    try {
      await this.#store.create(record, dueTimesOf(record))
    } catch (error) {
      wait.fail(error)
      // It may be stored nevertheless, and nobody waits for it: end it.
      this.#endings.end(record.callback_id, 'aborted', false)
      throw error
    }
    if (wait.stored(record)) this.#announce(record)
  }

  async #announce (record: ConfirmationRecord): Promise<void> {
    // A node that is alone looks for due times only where an announcement has failed.
    if (!await this.#announcements.announce(record, 'error')) this.#dueTimes.wake()
  }

  /** @throws WSM_ERR_UNAVAILABLE where this node cannot check an answer; the question stays open, and another node may be able to */
  #answerCheck (record: ConfirmationRecord): ReturnType<typeof answerCheck> {
    try {
      return answerCheck(record, this.#kinds)
    } catch (error) {
      this.#log.error({ err: error, callback_id: record.callback_id }, 'this node cannot check an answer against its schema')
      throw new UnavailableError(`The answer cannot be checked: the question's schema ${(error as Error).message}`)
    }
  }

  /** A question has ended, on whichever node. */
  #settled (record: ConfirmationRecord): void {
    this.#announcements.ended(record.callback_id)
    this.#waits.settled(record)
    this.#events.emit('confirmation_settled', { confirmation: record })
  }
}
