import type { ConfirmationRecord } from '../../../schemas/records.js'
import { compareTexts } from '../../pages.js'
import { questionStatuses, type ConfirmationFilter, type ConfirmationStore, type DueTime, type QuestionPage, type QuestionPlace, type Settled, type Settlement } from '../engine.js'
import { ExpiringMap } from '../expiring-map.js'
import { OrderedSet, merged } from '../ordered-set.js'
import { DueList } from './due-list.js'

/** A list of questions of one status: all, a user's, a task's, or a user's of one task. */
type List = OrderedSet<ConfirmationRecord, QuestionPlace>
type Lists = Map<string, List>

const NOTHING: QuestionPage = { records: [], next: null }

/** The questions of one node. */
export class MemoryConfirmationStore implements ConfirmationStore {
  readonly outlivesNode = false
  readonly #pending = new Map<string, ConfirmationRecord>()
  readonly #settled: ExpiringMap<string, ConfirmationRecord>
  readonly #lists: Lists = new Map()
  readonly #due = new DueList()
  #listener: (record: ConfirmationRecord) => void = () => {}

  constructor (retainMs: number) {
    this.#settled = new ExpiringMap(retainMs, (record) => this.#unlist(record))
  }

  async create (record: ConfirmationRecord, due: readonly DueTime[] = []): Promise<void> {
    this.#pending.set(record.callback_id, record)
    this.#list(record)
    this.#due.add(record.callback_id, due)
  }

  async get (callbackId: string): Promise<ConfirmationRecord | null> {
    return this.#pending.get(callbackId) ?? this.#settled.get(callbackId) ?? null
  }

  async list (filter: ConfirmationFilter, after: QuestionPlace | null, limit: number): Promise<QuestionPage> {
    const lists: List[] = []
    for (const status of filter.status === undefined ? questionStatuses : [filter.status]) {
      const list = this.#lists.get(nameOf(status, filter))
      if (list !== undefined) lists.push(list)
    }
    // Fast path: nearly every new socket has no questions.
    if (lists.length === 0) return NOTHING
    const records: ConfirmationRecord[] = []
    for (const record of merged(lists, after, byPlace)) {
      if (records.length === limit) return { records, next: records.at(-1)! }
      records.push(record)
    }
    return { records, next: null }
  }

  async settleAs (userId: string, callbackId: string, settlement: Settlement): Promise<Settled | null> {
    const record = this.#pending.get(callbackId)
    if (record !== undefined && !isAnsweredBy(record, userId, settlement)) return { won: false, record }
    return this.settle(callbackId, settlement)
  }

  async settle (callbackId: string, { outcome, ...answer }: Settlement): Promise<Settled | null> {
    const record = this.#pending.get(callbackId)
    if (record === undefined) {
      const settled = this.#settled.get(callbackId)
      return settled === undefined ? null : { won: false, record: settled }
    }
    const now = Date.now()
    if (outcome === 'expired' && now < record.expires_at) return { won: false, record, leftMs: record.expires_at - now }
    const settled = { ...record, ...answer, status: outcome, settled_at: now }
    this.#pending.delete(callbackId)
    this.#due.remove(callbackId)
    this.#unlist(record)
    this.#settled.set(callbackId, settled)
    this.#list(settled)
    this.#listener(settled)
    return { won: true, record: settled }
  }

  async takeDue (limit: number, leaseMs: number) {
    const { taken, nextInMs } = this.#due.take(Date.now(), limit, leaseMs)
    return { due: taken.map(({ kind, callbackId }) => ({ kind, record: this.#pending.get(callbackId)! })), nextInMs }
  }

  async done (callbackIds: readonly string[], kind: string): Promise<void> {
    for (const callbackId of callbackIds) this.#due.remove(callbackId, kind)
  }

  onSettled (listener: (record: ConfirmationRecord) => void): void {
    this.#listener = listener
  }

  pendingCount (): number {
    return this.#pending.size
  }

  close (): void {
    this.#pending.clear()
    this.#due.clear()
    this.#settled.clear()
    this.#lists.clear()
  }

  #list (record: ConfirmationRecord): void {
    for (const name of namesOf(record)) {
      const list = this.#lists.get(name) ?? new OrderedSet<ConfirmationRecord, QuestionPlace>(byPlace)
      this.#lists.set(name, list)
      list.add(record)
    }
  }

  #unlist (record: ConfirmationRecord): void {
    for (const name of namesOf(record)) {
      const list = this.#lists.get(name)!
      list.delete(record)
      if (list.isEmpty) this.#lists.delete(name)
    }
  }
}

/** See `ConfirmationStore.settleAs`. */
function isAnsweredBy ({ user_id: addressee, question, expires_at: expiresAt }: ConfirmationRecord, userId: string, { proceed }: Settlement): boolean {
  return addressee === userId && !(proceed && question.answer_schema !== undefined) && Date.now() < expiresAt
}

function byPlace (a: QuestionPlace, b: QuestionPlace): number {
  return a.created_at - b.created_at || compareTexts(a.callback_id, b.callback_id)
}

function namesOf ({ status, user_id, task_id }: ConfirmationRecord): string[] {
  return [{}, { user_id }, ...task_id === null ? [] : [{ task_id }, { user_id, task_id }]].map((of) => nameOf(status, of))
}

/** Lengths in the name keep user and task ids from colliding with another list. */
function nameOf (status: string, { user_id: user, task_id: task }: Omit<ConfirmationFilter, 'status'>): string {
  return `${status}:${withLength(user)}:${withLength(task)}`
}

function withLength (part: string | undefined): string {
  return part === undefined ? '*' : `${part.length}.${part}`
}
