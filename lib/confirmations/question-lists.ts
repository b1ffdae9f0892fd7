import type { ConfirmationRecord } from '../../schemas/records.js'
import type { ConfirmationsPage } from '../../schemas/rest.js'
import type { Connection } from '../socket/connection.js'
import type { Clock, ConfirmationFilter, ConfirmationStore, QuestionPage, QuestionPlace } from '../engine/engine.js'
import { cursorOf, readCursor } from '../pages.js'
import { encodeFrame } from '../socket/message.js'
import { assertValid } from '../validation/faults.js'
import type { Endings } from './endings.js'
import { checkList, type ConfirmationListOptions } from './list.js'
import { meansProceed } from './question.js'

/** Number of questions read at once. */
const PAGE_SIZE = 100

/** Reads questions, and expires overdue ones before it returns them. */
export class QuestionLists {
  readonly #store: ConfirmationStore
  readonly #endings: Endings
  readonly #clock: Pick<Clock, 'now'>

  constructor (store: ConfirmationStore, endings: Endings, clock: Pick<Clock, 'now'>) {
    this.#store = store
    this.#endings = endings
    this.#clock = clock
  }

  /** See `Confirmations.get`. */
  async get (callbackId: string): Promise<ConfirmationRecord | null> {
    const record = await this.#store.get(callbackId)
    return record === null ? null : this.current(record)
  }

  /** Returns the record, expired first where it is overdue. */
  async current (record: ConfirmationRecord): Promise<ConfirmationRecord> {
    return this.#isOverdue(record) ? this.#expired(record) : record
  }

  /** See `Confirmations.list`. */
  async list (options: ConfirmationListOptions): Promise<ConfirmationsPage> {
    const { userId, taskId, status, limit = PAGE_SIZE, after: cursor } = options
    const filter = { user_id: userId, task_id: taskId, status }
    const after = cursor ?? undefined
    assertValid(checkList, { ...filter, limit, after })
    const { records, next } = await this.#page(filter, after === undefined ? null : placeOf(after), limit)
    return { confirmations: records, next: next === null ? null : cursorOf(next.created_at, next.callback_id) }
  }

  /** Yields all matching questions, page by page. */
  async * pages (filter: ConfirmationFilter): AsyncIterableIterator<ConfirmationRecord[]> {
    let after: QuestionPlace | null = null
    do {
      const { records, next }: QuestionPage = await this.#page(filter, after, PAGE_SIZE)
      yield records
      after = next
    } while (after !== null)
  }

  /** See `Confirmations.redeliver`. */
  async redeliver (connection: Connection): Promise<void> {
    const userId = connection.user?.id
    if (userId === undefined) return
    // Not by `pages`: its generator would cost every socket that opens.
    let after: QuestionPlace | null = null
    do {
      const page: QuestionPage = await this.#page({ user_id: userId, status: 'pending' }, after, PAGE_SIZE)
      for (const { question } of page.records) {
        // No faster than the client reads: all of them can exceed the socket's queue.
        while (connection.isOpen && connection.isCongested) await connection.drained()
        // Meanwhile the socket may have closed, or switched users.
        if (!connection.isOpen || connection.user?.id !== userId) return
        connection.send(encodeFrame(question))
      }
      after = page.next
    } while (after !== null)
  }

  /** Hot: runs for every socket that opens, so the filter is not checked. */
  async #page (filter: ConfirmationFilter, after: QuestionPlace | null, limit: number): Promise<QuestionPage> {
    const page = await this.#store.list(filter, after, limit)
    const { records, next } = page
    if (!records.some((record) => this.#isOverdue(record))) return page
    const current = await Promise.all(records.map((record) => this.current(record)))
    return { records: filter.status === undefined ? current : current.filter(({ status }) => status === filter.status), next }
  }

  #isOverdue ({ status, expires_at: expiresAt }: ConfirmationRecord): boolean {
    return status === 'pending' && this.#clock.now() >= expiresAt
  }

  async #expired (record: ConfirmationRecord): Promise<ConfirmationRecord> {
    const ending = await this.#endings.end(record.callback_id, 'expired', meansProceed(record))
    return typeof ending === 'string' ? record : ending.record
  }
}

function placeOf (cursor: string): QuestionPlace {
  const [createdAt, id] = readCursor(cursor)
  return { created_at: createdAt, callback_id: id }
}
