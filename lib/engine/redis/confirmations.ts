import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { ConfirmationRecord } from '../../../schemas/records.js'
import { questionStatuses, type Clock, type ConfirmationFilter, type ConfirmationStore, type DueTime, type DueTimes, type QuestionPage, type QuestionPlace, type Settled, type Settlement } from '../engine.js'
import type { RedisCluster } from './cluster.js'
import type { Commands } from './commands.js'
import { unavailable } from './deadline.js'
import { Doubts } from './doubts.js'
import type { Keys } from './keys.js'
import { KnownEnds } from './known-ends.js'
import type { Lane } from './lane.js'
import type { Layouts } from './layouts.js'
import type { Lineage } from './lineage.js'
import type { Script } from './lua.js'
import * as scripts from './question-scripts.js'
import { newEpoch } from './streams.js'
import { decodeEnded, decodeRecord, encode, endedRecord } from './wire.js'

interface ConfirmationSettings {
  clock: Clock
  /** Retention of ended questions, milliseconds. */
  retainMs: number
  positionTtlMs: number
  windowMs: number
  publishCommand: string
  layouts: Layouts
}

/**
 * Stream that announces ended questions to every node. No other topic starts with `~`. All questions share its slot: they are
 * few, and a single script settles each.
 */
export const SETTLED_STREAM = '~questions'
/** Entries are whole questions; a node that misses more looks up those that it knows of. */
const SETTLED_STREAM_SIZE = 1_000
const SETTLED_STREAM_TTL_MS = 300_000

/** Digits of the time in a sort key, so that keys sort as text. */
const TIME_DIGITS = 16

type Stored = [record: string | null, settlement: string | null, at: string | null, isDoubtful: 0 | 1]

type SettleReply = [won: number, record: string, settlement?: string | null, at?: string | null, leftMs?: number]

/** The parts of the engine that questions need. */
interface QuestionParts { commands: Commands, lineage: Lineage, cluster: RedisCluster, keys: Keys }

/** Questions of all nodes. */
export class RedisConfirmationStore implements ConfirmationStore {
  readonly outlivesNode = true
  readonly #commands: Commands
  readonly #lineage: Lineage
  readonly #lane: Lane
  readonly #keys: Keys
  readonly #settings: ConfirmationSettings
  readonly #log: FastifyBaseLogger
  readonly #doubts: Doubts
  /** Open questions asked by this node, each with a function that stores it again. */
  readonly #asked = new Map<string, () => Promise<unknown>>()
  /** Open questions that this node has seen and may have waiters for, with the expiry of their records. */
  readonly #open = new Map<string, number>()
  /** The node that stored an end receives it twice, as the reply and through the stream, but reports it once. */
  readonly #ends: KnownEnds
  #listener: (record: ConfirmationRecord) => void = () => {}
  #isClosed = false

  constructor ({ commands, lineage, cluster, keys }: QuestionParts, settings: ConfirmationSettings, log: FastifyBaseLogger) {
    this.#commands = commands
    this.#lineage = lineage
    this.#lane = lineage.lane(keys.lane(SETTLED_STREAM))
    this.#ends = new KnownEnds(Math.max(settings.retainMs, SETTLED_STREAM_TTL_MS * 2))
    this.#doubts = new Doubts(cluster, settings.clock, this.#ends, (json) => this.receive(json))
    this.#keys = keys
    this.#settings = settings
    this.#log = log
  }

  async create (record: ConfirmationRecord, due: readonly DueTime[] = []): Promise<void> {
    const { callback_id: id } = record
    this.#asked.set(id, () => this.#create(record, due, true))
    try {
      await this.#create(record, due, false)
      this.#watch(record)
    } catch (error) {
      this.#asked.delete(id)
      throw error
    }
  }

  async get (callbackId: string): Promise<ConfirmationRecord | null> {
    const read = async () => await this.#run(scripts.read, [this.#key(callbackId)], []) as Stored
    const stored = await read()
    if (stored[3] === 0) return this.#read(stored)
    await this.#clarify([stored[0]!])
    return this.#read(await read())
  }

  async list (filter: ConfirmationFilter, after: QuestionPlace | null, limit: number): Promise<QuestionPage> {
    const statuses = filter.status === undefined ? questionStatuses : [filter.status]
    const lists = statuses.map((status) => `${this.#lists}${status}:${scopeOf(filter)}`)
    const args = [after === null ? '' : placeOf(after), limit]
    const read = async () => await this.#run(scripts.list, [this.#toForget, this.#lists, this.#key(''), ...lists], args) as [string | null, Stored[]]
    let [last, found] = await read()
    const doubtful = found.flatMap(([record, , , isDoubtful]) => isDoubtful === 1 ? record! : [])
    if (doubtful.length > 0) {
      await this.#clarify(doubtful)
      ;[last, found] = await read()
    }
    // Filtered again: ids that are not well-formed Unicode can share a list.
    const matches = (record: ConfirmationRecord) =>
      (filter.user_id === undefined || filter.user_id === record.user_id) &&
      (filter.task_id === undefined || filter.task_id === record.task_id)
    return {
      records: found.map((stored) => this.#read(stored)).filter((record) => record !== null).filter(matches),
      next: last === null ? null : { created_at: Number(last.slice(0, TIME_DIGITS)), callback_id: last.slice(TIME_DIGITS + 1) }
    }
  }

  settle (callbackId: string, settlement: Settlement): Promise<Settled | null> {
    return this.#settle(callbackId, settlement, '')
  }

  settleAs (userId: string, callbackId: string, settlement: Settlement): Promise<Settled | null> {
    return this.#settle(callbackId, settlement, userId)
  }

  async takeDue (limit: number, leaseMs: number): Promise<DueTimes> {
    const [nextInMs, taken] = await this.#run(scripts.takeDue, [this.#dueTimes, this.#key('')], [limit, leaseMs]) as
      [number | null, [kind: string, record: string, isDoubtful: 0 | 1][]]
    const doubtful = taken.flatMap(([, record, isDoubtful]) => isDoubtful === 1 ? record : [])
    // Due again once the lease expires.
    if (doubtful.length > 0) await this.#clarify(doubtful)
    const due = taken.filter(([, , isDoubtful]) => isDoubtful === 0).map(([kind, stored]) => ({ kind, record: this.#read([stored, null, null, 0]) }))
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

  /** Handles an entry of the stream of ended questions. */
  receive (json: string): void {
    const ended = decodeEnded(json)
    if (ended === null) this.#log.error('ignored a malformed entry in the settled stream')
    else this.#tell(endedRecord(ended), json)
  }

  /** Reads ends that the stream did not deliver. */
  async catchUp (): Promise<void> {
    for (const id of [...this.#open.keys()]) {
      if (await this.get(id) !== null) continue
      const store = this.#asked.get(id)
      if (store === undefined) this.#forget(id)
      else await store()
    }
  }

  /** Stores again what Redis may have lost and this node knows: ends, and the open questions that it asked. */
  async restore (): Promise<void> {
    for (const json of [...this.#ends.values()]) await this.#restore(json)
    for (const store of [...this.#asked.values()]) await store()
  }

  /** Passes the latest ends on to the other nodes. */
  handOver (): Promise<void> {
    return this.#doubts.handOver()
  }

  close (): void {
    this.#isClosed = true
    this.#asked.clear()
    this.#open.clear()
  }

  #key (callbackId: string): string {
    return `${this.#keys.channel(SETTLED_STREAM)}:record:${callbackId}`
  }

  /** Expiry of the records. The key keeps its name from earlier versions. */
  get #toForget (): string {
    return `${this.#keys.channel(SETTLED_STREAM)}:due`
  }

  get #dueTimes (): string {
    return `${this.#keys.channel(SETTLED_STREAM)}:times`
  }

  /** Prefix of the names of lists. */
  get #lists (): string {
    return `${this.#keys.channel(SETTLED_STREAM)}:list:`
  }

  #run (script: Script, keys: readonly string[], args: (string | number)[]): Promise<unknown> {
    return this.#lineage.run(this.#lane, script, keys, args)
  }

  async #create (record: ConfirmationRecord, due: readonly DueTime[], isDoubtful: boolean): Promise<void> {
    const { callback_id: id, created_at: createdAt, expires_at: expiresAt } = record
    const lifeMs = Math.max(0, expiresAt - createdAt) + this.#settings.retainMs
    await this.#run(scripts.create, [this.#key(id), this.#toForget, this.#lists, this.#dueTimes],
      [encode(record), listsOf(record), lifeMs, id, expiresAt, isDoubtful ? '1' : '', record.user_id,
        record.question.answer_schema === undefined ? '' : '1', ...due.flatMap(({ kind, at }) => [kind, at])])
  }

  /** @param user the answering user; '': the caller has read the question already */
  async #settle (callbackId: string, settlement: Settlement, user: string): Promise<Settled | null> {
    const args = [...this.#endArgs(callbackId, encode(settlement), settlement.outcome), user]
    const settle = async () => await this.#run(scripts.settle, this.#endKeys(callbackId), args) as SettleReply | null
    let result = await settle()
    if (result?.[0] === -1) {
      await this.#clarify([result[1]])
      result = await settle()
    }
    if (result === null) return null
    const [won, stored, settled = null, at = null, leftMs] = result
    const record = this.#read([stored, settled, at, 0])
    if (record === null) throw unavailable('the stored question is malformed')
    if (won === 1) this.#tell(record, endOf(stored, settled!, at!))
    return { won: won === 1, record, ...leftMs !== undefined && { leftMs } }
  }

  #endKeys (id: string): string[] {
    return [this.#key(id), ...this.#keys.beginnings(SETTLED_STREAM), ...this.#keys.stream(SETTLED_STREAM), this.#toForget, this.#lists, this.#dueTimes]
  }

  #endArgs (id: string, settlement: string, outcome: string): (string | number)[] {
    const { retainMs, positionTtlMs, windowMs, publishCommand, layouts } = this.#settings
    return [
      settlement, randomUUID(), retainMs,
      publishCommand, this.#keys.channel(SETTLED_STREAM), newEpoch(), positionTtlMs, windowMs, SETTLED_STREAM_SIZE, SETTLED_STREAM_TTL_MS, outcome, layouts.mark, id
    ]
  }

  /** Resolves doubts about questions, and stores the outcomes. */
  async #clarify (stored: readonly string[]): Promise<void> {
    const records = stored.map((record) => decodeRecord(record, null, null)).filter((record) => record !== null)
    const answers = await this.#doubts.resolve(records)
    await Promise.all(records.map(async (record, at) => {
      const answer = answers[at]!
      if (typeof answer === 'object') return this.#restore(answer.end)
      const { callback_id: id, question } = record
      const uncertain = encode({ ...record, uncertain: true, question: { ...question, uncertain: true } })
      await this.#run(scripts.reopen, [this.#key(id), this.#dueTimes], [id, answer === 'open' ? '' : uncertain])
    }))
  }

  async #restore (json: string): Promise<void> {
    const { record, settlement, at } = decodeEnded(json)!
    const id = record.callback_id
    await this.#run(scripts.restore, this.#endKeys(id),
      [...this.#endArgs(id, encode(settlement), settlement.outcome), encode(record), listsOf(record), at])
  }

  #read ([record, settlement, at]: Stored): ConfirmationRecord | null {
    if (record === null) return null
    const decoded = decodeRecord(record, settlement, at)
    if (decoded === null) this.#log.error('ignored a malformed question in Redis')
    else if (settlement === null) this.#watch(decoded)
    else if (this.#open.has(decoded.callback_id)) this.#tell(decoded, endOf(record, settlement, at!))
    // Kept for writing it back; it was reported earlier.
    else this.#ends.add(decoded, endOf(record, settlement, at!), false)
    return decoded
  }

  #watch (record: ConfirmationRecord): void {
    const { callback_id: id, status, expires_at: expiresAt } = record
    if (status !== 'pending' || this.#ends.isTold(id)) return
    const now = this.#settings.clock.now()
    // Roughly in the order of expiry.
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

  /** @param json entry of the stream of ended questions */
  #tell (record: ConfirmationRecord, json: string): void {
    const { callback_id: id } = record
    this.#forget(id)
    if (this.#isClosed || this.#ends.isTold(id)) return
    this.#ends.add(record, json, true)
    this.#listener(record)
  }
}

/** Formats an end as an entry of the stream of ended questions. */
function endOf (record: string, settlement: string, at: string): string {
  return `{"record":${record},"settlement":${settlement},"at":${at}}`
}

/** Names the lists that contain a question: see the scripts. */
function listsOf (record: ConfirmationRecord): string {
  const { user_id, task_id } = record
  return [placeOf(record), ...[{}, { user_id }, ...task_id === null ? [] : [{ task_id }, { user_id, task_id }]].map(scopeOf)].join(' ')
}

function placeOf ({ created_at: createdAt, callback_id: id }: QuestionPlace): string {
  return `${String(createdAt).padStart(TIME_DIGITS, '0')}:${id}`
}

function scopeOf ({ user_id: user, task_id: task }: ConfirmationFilter): string {
  // Through a buffer, which replaces lone surrogates.
  return [user, task].map((id) => id === undefined ? '*' : `=${encodeURIComponent(Buffer.from(id).toString())}`).join(':')
}
