import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { ConfirmationRecord } from '../../../schemas/records.js'
import type { ConfirmationFilter, ConfirmationStore, Settlement } from '../engine.js'
import { ExpiringMap } from '../expiring-map.js'
import type { Commands } from './commands.js'
import { unavailable } from './deadline.js'
import type { Keys } from './keys.js'
import * as scripts from './question-scripts.js'
import { newEpoch } from './streams.js'
import { decodeEnded, decodeRecord, encode, endedRecord } from './wire.js'

export interface ConfirmationSettings {
  /** How long an ended question is kept, milliseconds. */
  retainMs: number
  positionTtlMs: number
  windowMs: number
  publishCommand: string
}

/**
 * The stream on which every node hears of every end. It is no topic of anybody else: theirs do not begin so. All
 * questions share its slot: there are few of them, and what ends one is one script.
 */
export const ENDS = '~questions'
/** They hold whole questions; a node that misses more looks for those that it knows of. */
const ENDS_SIZE = 1_000
const ENDS_TTL_MS = 300_000

type Stored = [record: string | null, settlement: string | null, at: string | null]

/** The questions of all nodes. */
export class RedisConfirmationStore implements ConfirmationStore {
  readonly outlivesNode = true
  readonly #commands: Commands
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

  constructor (commands: Commands, keys: Keys, settings: ConfirmationSettings, log: FastifyBaseLogger) {
    this.#commands = commands
    this.#keys = keys
    this.#settings = settings
    this.#log = log
  }

  async create (record: ConfirmationRecord): Promise<void> {
    const { callback_id: id, user_id: user, task_id: task } = record
    const lifeMs = Math.max(0, record.expires_at - record.created_at) + this.#settings.retainMs
    this.#asked.add(id)
    try {
      const lists = [this.#listOf({}), this.#listOf({ user_id: user }), this.#listOf({ task_id: task })]
      await this.#commands.run(scripts.create, [this.#key(id), ...lists], [id, encode(record), lifeMs])
      this.#watch(record)
    } catch (error) {
      this.#asked.delete(id)
      throw error
    }
  }

  async get (callbackId: string): Promise<ConfirmationRecord | null> {
    return this.#read(await this.#commands.run(scripts.read, [this.#key(callbackId)], []) as Stored)
  }

  async list (filter: ConfirmationFilter): Promise<ConfirmationRecord[]> {
    const found = await this.#commands.run(scripts.list, [this.#listOf(filter), this.#key('')], []) as Stored[]
    const matches = (record: ConfirmationRecord) =>
      (filter.user_id === undefined || filter.user_id === record.user_id) &&
      (filter.task_id === undefined || filter.task_id === record.task_id) &&
      (filter.status === undefined || filter.status === record.status)
    return found.map((stored) => this.#read(stored))
      .filter((record) => record !== null).filter(matches)
      .sort((a, b) => a.created_at - b.created_at)
  }

  async settle (callbackId: string, settlement: Settlement): Promise<{ won: boolean, record: ConfirmationRecord } | null> {
    const { retainMs, positionTtlMs, windowMs, publishCommand } = this.#settings
    const keys = [this.#key(callbackId), ...this.#keys.beginnings(ENDS), ...this.#keys.stream(ENDS)]
    const result = await this.#commands.run(scripts.settle, keys, [
      encode(settlement), randomUUID(), retainMs,
      publishCommand, this.#keys.channel(ENDS), newEpoch(), positionTtlMs, windowMs, ENDS_SIZE, ENDS_TTL_MS
    ]) as [number, ...Stored] | null
    if (result === null) return null
    const [won, ...stored] = result
    const record = this.#read(stored)
    if (record === null) throw unavailable('what it holds is no question')
    if (won === 1) this.#tell(record)
    return { won: won === 1, record }
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
    if (ended === null) this.#log.error('the stream of ended questions holds what is none')
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

  #listOf ({ user_id: user, task_id: task }: ConfirmationFilter): string {
    const base = this.#keys.channel(ENDS)
    if (user !== undefined) return `${base}:user:${user}`
    return task === undefined ? `${base}:all` : `${base}:task:${task}`
  }

  #read ([record, settlement, at]: Stored): ConfirmationRecord | null {
    if (record === null) return null
    const decoded = decodeRecord(record, settlement, at)
    if (decoded === null) this.#log.error('a question in Redis is none')
    else this.#watch(decoded)
    return decoded
  }

  #watch (record: ConfirmationRecord): void {
    const { callback_id: id, status, expires_at: expiresAt } = record
    if (status !== 'pending' || this.#ended.get(id) === true) return
    const now = Date.now()
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
