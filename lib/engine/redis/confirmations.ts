import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { ConfirmationRecord } from '../../../schemas/records.js'
import { questionStatuses, type Clock, type ConfirmationFilter, type ConfirmationStore, type DueTime, type DueTimes, type QuestionPage, type QuestionPlace, type Settled, type Settlement } from '../engine.js'
import { ExpiringMap } from '../expiring-map.js'
import type { Commands } from './commands.js'
import { unavailable } from './deadline.js'
import type { Keys } from './keys.js'
import type { Layouts } from './layouts.js'
import type { Lineage } from './lineage.js'
import * as scripts from './question-scripts.js'
import { newEpoch } from './streams.js'
import { decodeEnded, decodeRecord, encode, endedRecord } from './wire.js'

export interface ConfirmationSettings {
  clock: Clock
  /** How long an ended question is kept, milliseconds. */
  retainMs: number
  positionTtlMs: number
  windowMs: number
  publishCommand: string
  layouts: Layouts
}

/**
 * The stream that tells every node which questions have ended. No other topic starts with `~`. All questions share its slot: they
 * are few, and one script settles each.
 */
export const ENDS = '~questions'
/** They hold whole questions; a node that misses more looks for those that it knows of. */
const ENDS_SIZE = 1_000
const ENDS_TTL_MS = 300_000

/** Of the time in a place, so that places sort as text. */
const TIME_DIGITS = 16

type Stored = [record: string | null, settlement: string | null, at: string | null]

/** The questions of all nodes. */
export class RedisConfirmationStore implements ConfirmationStore {
  readonly outlivesNode = true
  readonly #commands: Commands
  readonly #lineage: Lineage
  readonly #keys: Keys
  readonly #settings: ConfirmationSettings
  readonly #log: FastifyBaseLogger
  /** What this node asked. */
  readonly #asked = new Set<string>()
  /** What this node has seen without an end, and when it is gone: somebody here may wait for it. */
  readonly #open = new Map<string, number>()
  /** Whose end was told here. An end can be heard of twice, by its own answer and by the stream. */
  readonly #ended = new ExpiringMap<string, true>(ENDS_TTL_MS * 2)
  #listener: (record: ConfirmationRecord) => void = () => {}
  #isClosed = false

  constructor (commands: Commands, lineage: Lineage, keys: Keys, settings: ConfirmationSettings, log: FastifyBaseLogger) {
    this.#commands = commands
    this.#lineage = lineage
    this.#keys = keys
    this.#settings = settings
    this.#log = log
  }

  async create (record: ConfirmationRecord, due: readonly DueTime[] = []): Promise<void> {
    const { callback_id: id, expires_at: expiresAt } = record
    const lifeMs = Math.max(0, expiresAt - record.created_at) + this.#settings.retainMs
    this.#asked.add(id)
    try {
      await this.#commands.run(scripts.create, [this.#key(id), this.#toForget, this.#lists, this.#dueTimes],
        [encode(record), listsOf(record), lifeMs, id, expiresAt, ...due.flatMap(({ kind, at }) => [kind, at])])
      this.#watch(record)
    } catch (error) {
      this.#asked.delete(id)
      throw error
    }
  }

  async get (callbackId: string): Promise<ConfirmationRecord | null> {
    return this.#read(await this.#commands.run(scripts.read, [this.#key(callbackId)], []) as Stored)
  }

  async list (filter: ConfirmationFilter, after: QuestionPlace | null, limit: number): Promise<QuestionPage> {
    const statuses = filter.status === undefined ? questionStatuses : [filter.status]
    const lists = statuses.map((status) => `${this.#lists}${status}:${scopeOf(filter)}`)
    const [last, found] = await this.#commands.run(scripts.list, [this.#toForget, this.#lists, this.#key(''), ...lists],
      [after === null ? '' : placeOf(after), limit]) as [string | null, Stored[]]
    // Filtered again: ids that are not well-formed Unicode can share a list.
    const matches = (record: ConfirmationRecord) =>
      (filter.user_id === undefined || filter.user_id === record.user_id) &&
      (filter.task_id === undefined || filter.task_id === record.task_id)
    return {
      records: found.map((stored) => this.#read(stored)).filter((record) => record !== null).filter(matches),
      next: last === null ? null : { created_at: Number(last.slice(0, TIME_DIGITS)), callback_id: last.slice(TIME_DIGITS + 1) }
    }
  }

  async settle (callbackId: string, settlement: Settlement): Promise<Settled | null> {
    const { retainMs, positionTtlMs, windowMs, publishCommand } = this.#settings
    const keys = [this.#key(callbackId), ...this.#keys.beginnings(ENDS), ...this.#keys.stream(ENDS), this.#toForget, this.#lists, this.#dueTimes]
    const result = await this.#lineage.run(this.#lineage.lane(this.#keys.lane(ENDS)), scripts.settle, keys, [
      encode(settlement), randomUUID(), retainMs,
      publishCommand, this.#keys.channel(ENDS), newEpoch(), positionTtlMs, windowMs, ENDS_SIZE, ENDS_TTL_MS, settlement.outcome, this.#settings.layouts.mark, callbackId
    ]) as [won: number, ...Stored, leftMs?: number] | null
    if (result === null) return null
    const [won, stored, settled, at, leftMs] = result
    const record = this.#read([stored, settled, at])
    if (record === null) throw unavailable('the stored question is malformed')
    if (won === 1) this.#tell(record)
    return { won: won === 1, record, ...leftMs !== undefined && { leftMs } }
  }

  async takeDue (limit: number, leaseMs: number): Promise<DueTimes> {
    const [nextInMs, taken] = await this.#commands.run(scripts.takeDue, [this.#dueTimes, this.#key('')], [limit, leaseMs]) as
      [number | null, [kind: string, record: string][]]
    const due = taken.map(([kind, stored]) => ({ kind, record: this.#read([stored, null, null]) }))
    return { due: due.filter((one): one is DueTimes['due'][0] => one.record !== null), nextInMs }
  }

  async done (callbackIds: readonly string[], kind: string): Promise<void> {
    await this.#commands.call('zrem', this.#dueTimes, ...callbackIds.map((id) => `${kind} ${id}`))
  }

  onSettled (listener: (record: ConfirmationRecord) => void): void {
    this.#listener = listener
  }

  pendingCount (): number {
    return this.#asked.size
  }

  /** An entry of the stream of ends. */
  receive (json: string): void {
    const ended = decodeEnded(json)
    if (ended === null) this.#log.error('ignored a malformed entry in the settled stream')
    else this.#tell(endedRecord(ended))
  }

  /** Looks for ends that were not heard of. */
  async catchUp (): Promise<void> {
    for (const id of [...this.#open.keys()]) {
      const record = await this.get(id)
      if (record === null) this.#forget(id)
      else if (record.status !== 'pending') this.#tell(record)
    }
  }

  close (): void {
    this.#isClosed = true
    this.#asked.clear()
    this.#open.clear()
    this.#ended.clear()
  }

  #key (callbackId: string): string {
    return `${this.#keys.channel(ENDS)}:record:${callbackId}`
  }

  /** What is to be forgotten, under the name that earlier versions know it by. */
  get #toForget (): string {
    return `${this.#keys.channel(ENDS)}:due`
  }

  get #dueTimes (): string {
    return `${this.#keys.channel(ENDS)}:times`
  }

  /** What the names of lists begin with. */
  get #lists (): string {
    return `${this.#keys.channel(ENDS)}:list:`
  }

  #read ([record, settlement, at]: Stored): ConfirmationRecord | null {
    if (record === null) return null
    const decoded = decodeRecord(record, settlement, at)
    if (decoded === null) this.#log.error('ignored a malformed question in Redis')
    else this.#watch(decoded)
    return decoded
  }

  #watch (record: ConfirmationRecord): void {
    const { callback_id: id, status, expires_at: expiresAt } = record
    if (status !== 'pending' || this.#ended.get(id) === true) return
    const now = this.#settings.clock.now()
    // In about the order in which they go.
    for (const [open, goneAt] of this.#open) {
      if (goneAt > now) break
      this.#forget(open)
    }
    this.#open.set(id, expiresAt + this.#settings.retainMs)
  }

  #forget (id: string): void {
    this.#open.delete(id)
    this.#asked.delete(id)
  }

  #tell (record: ConfirmationRecord): void {
    const { callback_id: id } = record
    this.#forget(id)
    if (this.#isClosed || this.#ended.get(id) === true) return
    this.#ended.set(id, true)
    this.#listener(record)
  }
}

/** Which lists a question is in: see the scripts. */
function listsOf (record: ConfirmationRecord): string {
  const { user_id, task_id } = record
  return [placeOf(record), ...[{}, { user_id }, { task_id }, { user_id, task_id }].map(scopeOf)].join(' ')
}

function placeOf ({ created_at: createdAt, callback_id: id }: QuestionPlace): string {
  return `${String(createdAt).padStart(TIME_DIGITS, '0')}:${id}`
}

function scopeOf ({ user_id: user, task_id: task }: ConfirmationFilter): string {
  // Through a buffer, which leaves no half of a surrogate pair.
  return [user, task].map((id) => id === undefined ? '*' : `=${encodeURIComponent(Buffer.from(id).toString())}`).join(':')
}
