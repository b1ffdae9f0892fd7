import { randomUUID } from 'node:crypto'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyBaseLogger } from 'fastify'
import { TaskLogLine, TaskRecord, type AnsweredBy, type TaskStatus } from '../../schemas/records.js'
import { guardedAbort } from '../abort.js'
import type { Confirmations } from '../confirmations/confirmations.js'
import type { Cluster } from '../engine/engine.js'
import { ExpiringMap } from '../engine/expiring-map.js'
import { AlreadySettledError, ForbiddenError, InvalidMessageError, NotFoundError, withDetails } from '../errors.js'
import type { EventHub } from '../events.js'
import { assertUserId } from '../ids.js'
import { assertValid } from '../protocol/faults.js'
import { snapshot } from '../protocol/snapshot.js'
import { logThrown, messageOf } from '../thrown.js'
import type { Publisher } from '../topics/publisher.js'
import { topicOf } from '../topics/topic-names.js'
import { RemoteTasks } from './remote-tasks.js'
import type { TaskHeartbeats } from './task-heartbeats.js'

/** The task that `ws.tasks.start()` announces (row F8). */
export interface StartOptions {
  /** Whose task it is; the only one who sees it. */
  userId: string
  /** Default: a new UUID. */
  taskId?: string
  /** What the user reads; default: none. */
  title?: string
}

/** How a task is cancelled. */
export interface CancelOptions {
  /** Whose the task must be. */
  userId?: string
  /** Who cancels it; by default the app itself. */
  by?: AnsweredBy
  /** Whether it must be a task that a node has started, or that asks its user something; default false. */
  mustBeKnown?: boolean
}

/** A user's tasks on all nodes. */
export interface ClusterTasks {
  tasks: TaskRecord[]
  /** Whether every node has answered. */
  complete: boolean
  /** The nodes that did not; null: it is not known which there are. */
  missing: string[] | null
}

interface RunningTask { record: TaskRecord, controller: AbortController }

/** How many log lines a task keeps for those who come later. */
const MOST_LOG_LINES = 200

const checkTask = TypeCompiler.Compile(TaskRecord)
const checkMessage = TypeCompiler.Compile(TaskRecord.properties.message)
const checkLogLine = TypeCompiler.Compile(TaskLogLine)

/**
 * Tasks that users watch (row F8). What happens to a task goes to its user's sockets; what it came to can be read for
 * `tasks.retainMs` afterwards. A task is at home on the node that has started it, and is read and cancelled from all.
 */
export class Tasks {
  readonly #remote: RemoteTasks
  readonly #publisher: Publisher
  readonly #confirmations: Confirmations
  readonly #heartbeats: TaskHeartbeats
  readonly #events: EventHub
  readonly #log: FastifyBaseLogger
  readonly #running = new Map<string, RunningTask>()
  readonly #ended: ExpiringMap<string, TaskRecord>
  #isClosed = false

  /** @param retainMs how long an ended task can be read */
  constructor (cluster: Cluster, publisher: Publisher, confirmations: Confirmations, heartbeats: TaskHeartbeats, events: EventHub, retainMs: number,
    log: FastifyBaseLogger) {
    this.#remote = new RemoteTasks(cluster, {
      get: (taskId) => this.get(taskId), list: (userId) => this.list(userId), cancelHere: (taskId, by) => this.#cancelHere(taskId, by)
    })
    this.#publisher = publisher
    this.#confirmations = confirmations
    this.#heartbeats = heartbeats
    this.#events = events
    this.#log = log
    this.#ended = new ExpiringMap(retainMs)
  }

  /**
   * Announces a task to its user. The signal fires when the task is cancelled or the server closes; when it has closed
   * already, it has fired.
   *
   * @throws WSM_ERR_INVALID_MESSAGE where a task of that id is running, or an id is no string of 1 to 256 characters;
   *   WSM_ERR_UNAVAILABLE where it cannot be announced: it has not started then
   */
  async start ({ userId, taskId = randomUUID(), title }: StartOptions): Promise<{ task: TaskRecord, signal: AbortSignal }> {
    if (this.#running.has(taskId)) throw new InvalidMessageError(`task "${taskId}" is running already`)
    const record: TaskRecord = {
      task_id: taskId,
      user_id: userId,
      title: title ?? null,
      status: 'running',
      progress: 0,
      message: null,
      logs: [],
      result: null,
      error: null,
      started_at: Date.now(),
      finished_at: null
    }
    assertValid(checkTask, record)
    if (this.#isClosed) return { task: record, signal: AbortSignal.abort() }
    const controller = guardedAbort((thrown) => logThrown(this.#log, 'error', thrown, { task_id: taskId }, 'an abort listener failed'))
    this.#running.set(taskId, { record, controller })
    this.#ended.delete(taskId)
    try {
      await this.#announceProgress(record)
    } catch (error) {
      // Unless it has ended meanwhile, and another one has begun.
      if (this.#running.get(taskId)?.record === record) this.#running.delete(taskId)
      throw error
    }
    return { task: copy(record), signal: controller.signal }
  }

  /**
   * @param progress percent, 0 to 100; no number (as of 0 of 0 rows) leaves it as it is
   * @returns false where the task has ended, or the server has closed
   * @throws WSM_ERR_NOT_FOUND
   */
  async progress (taskId: string, progress: number, message?: string): Promise<boolean> {
    const record = this.#open(taskId)
    if (record === null) return false
    assertValid(checkMessage, message ?? null)
    record.progress = Number.isFinite(progress) ? Math.min(100, Math.max(0, progress)) : record.progress
    record.message = message ?? record.message
    await this.#announceProgress(record)
    return true
  }

  /**
   * Adds a log line. Answers as `progress` does.
   *
   * @throws WSM_ERR_NOT_FOUND; WSM_ERR_INVALID_MESSAGE for a line that is no text, and a level that there is not
   */
  async log (taskId: string, line: string, level: TaskLogLine['level'] = 'info'): Promise<boolean> {
    const record = this.#open(taskId)
    if (record === null) return false
    const entry = { level, line, timestamp: Date.now() }
    assertValid(checkLogLine, entry)
    record.logs.push(entry)
    if (record.logs.length > MOST_LOG_LINES) record.logs.shift()
    await this.#announce(record, { type: 'task_log', ...entry }, true)
    return true
  }

  /**
   * The task came to its end. Answers as `progress` does.
   *
   * @throws WSM_ERR_INVALID_MESSAGE for a result that JSON cannot hold; the task is still running then
   */
  async done (taskId: string, result: unknown = null): Promise<boolean> {
    return this.#finish(taskId, 'done', { result: snapshot(result), progress: 100 })
  }

  /** The task failed; the user reads the error's message. Answers as `progress` does. */
  async fail (taskId: string, error: Error | string): Promise<boolean> {
    return this.#finish(taskId, 'failed', { error: messageOf(error) })
  }

  /**
   * Cancels a task, on whichever node it is: its signal fires, what it still asks is taken back, its user's sockets are
   * told. A task that no node has started is cancelled by telling `userId`: the app stops it on `task_cancelled`. So the app can
   * cancel tasks of its own; a client can only name those that were started, or ask its user something, unless
   * `tasks.cancelUnknown` is on.
   *
   * @throws WSM_ERR_NOT_FOUND, WSM_ERR_FORBIDDEN for a task of another user than `userId`, WSM_ERR_ALREADY_SETTLED for one that has ended,
   *   WSM_ERR_UNAVAILABLE where a node that may have it did not answer, or, once it is cancelled and its user is told, where what
   *   it asks could not be taken back
   */
  async cancel (taskId: string, { userId, by, mustBeKnown = false }: CancelOptions = {}): Promise<void> {
    const running = this.#running.get(taskId)
    const known = running?.record ?? this.#ended.get(taskId)
    if (known === undefined && await this.#cancelElsewhere(taskId, userId, by)) return
    const owner = known?.user_id ?? userId
    if (owner === undefined) throw new NotFoundError('There is no such task')
    assertUserId(owner)
    if (known === undefined && mustBeKnown && !await this.#confirmations.isAsking(taskId, owner)) throw new NotFoundError('There is no such task')
    if (known !== undefined) assertCancellable(known, userId)
    if (running !== undefined) this.#end(running, 'cancelled')
    this.#heartbeats.stop(taskId, owner)
    try {
      // Before the signal, which the asking code may have passed on to its questions: they end as cancelled, not aborted.
      await this.#confirmations.cancelTask(taskId, owner)
    } finally {
      running?.controller.abort()
      this.#events.emit('task_cancelled', { task_id: taskId, user_id: owner, task: known === undefined ? null : copy(known) })
      await this.#publisher.announce(topicOf.user(owner), {
        type: 'task_cancelled', task_id: taskId, user_id: owner, cancelled_by: by ?? null, timestamp: Date.now()
      })
    }
  }

  /**
   * null: never started here, or ended longer than the retention ago. With `cluster` a task of any node; it rejects with
   * WSM_ERR_UNAVAILABLE where a node that may have it did not answer.
   */
  get (taskId: string): TaskRecord | null
  get (taskId: string, options: { cluster: true }): Promise<TaskRecord | null>
  get (taskId: string, { cluster = false } = {}): TaskRecord | null | Promise<TaskRecord | null> {
    const here = this.#here(taskId)
    if (!cluster) return here
    return here === null ? this.#remote.find(taskId) : Promise.resolve(here)
  }

  #here (taskId: string): TaskRecord | null {
    const record = this.#running.get(taskId)?.record ?? this.#ended.get(taskId)
    return record === undefined ? null : copy(record)
  }

  /** A user's tasks, the running ones and those that can still be read, oldest first. With `cluster` those of all nodes. */
  list (userId: string): TaskRecord[]
  list (userId: string, options: { cluster: true }): Promise<ClusterTasks>
  list (userId: string, { cluster = false } = {}): TaskRecord[] | Promise<ClusterTasks> {
    const here = [...this.#ended.values(), ...[...this.#running.values()].map(({ record }) => record)]
      .filter((record) => record.user_id === userId).sort(oldestFirst).map(copy)
    return cluster ? this.#withOthers(here, userId) : here
  }

  /** Whether there was such a task, and it is over. */
  hasEnded (taskId: string): boolean {
    return this.#ended.get(taskId) !== undefined
  }

  /** Fires every running task's signal. Idempotent. */
  close (): void {
    this.#isClosed = true
    for (const { controller } of this.#running.values()) controller.abort()
    this.#running.clear()
    this.#ended.clear()
  }

  async #withOthers (here: TaskRecord[], userId: string): Promise<ClusterTasks> {
    const { tasks, missing } = await this.#remote.list(userId)
    return { tasks: [...here, ...tasks].sort(oldestFirst), complete: missing?.length === 0, missing }
  }

  /** Whether another node had it. */
  async #cancelElsewhere (taskId: string, userId: string | undefined, by: AnsweredBy | undefined): Promise<boolean> {
    const record = await this.#remote.find(taskId)
    if (record === null) return false
    assertCancellable(record, userId)
    const left = await this.#remote.cancel(taskId, by ?? null)
    // It may have ended meanwhile, or with its node.
    if (left !== null && left.status !== 'cancelled') throw settled(left)
    return left !== null
  }

  async #cancelHere (taskId: string, by: AnsweredBy | null): Promise<TaskRecord | null> {
    if (this.#running.has(taskId)) await this.cancel(taskId, by === null ? {} : { by })
    return this.get(taskId)
  }

  #open (taskId: string): TaskRecord | null {
    const running = this.#running.get(taskId)
    if (running !== undefined) return running.record
    // An app that winds up its tasks when their signals fire is not in the wrong.
    if (!this.#isClosed && !this.hasEnded(taskId)) throw new NotFoundError('There is no such task')
    return null
  }

  async #finish (taskId: string, status: TaskStatus, change: Partial<TaskRecord>): Promise<boolean> {
    const record = this.#open(taskId)
    if (record === null) return false
    Object.assign(record, change)
    this.#end(this.#running.get(taskId)!, status)
    this.#heartbeats.stop(taskId, record.user_id)
    await this.#announce(record, { type: 'task_done', status, result: record.result, error: record.error, finished_at: record.finished_at })
    return true
  }

  #end ({ record }: RunningTask, status: TaskStatus): void {
    record.status = status
    record.finished_at = Date.now()
    this.#running.delete(record.task_id)
    this.#ended.set(record.task_id, record)
  }

  async #announceProgress (record: TaskRecord): Promise<void> {
    const { title, status, progress, message, started_at } = record
    await this.#announce(record, { type: 'task_progress', title, status, progress, message, started_at }, true)
  }

  async #announce ({ task_id, user_id }: TaskRecord, frame: object, isDroppable = false): Promise<void> {
    await this.#publisher.announce(topicOf.user(user_id), { ...frame, task_id, user_id }, { isDroppable })
  }
}

/** @throws WSM_ERR_FORBIDDEN, WSM_ERR_ALREADY_SETTLED */
function assertCancellable (record: TaskRecord, userId: string | undefined): void {
  if (userId !== undefined && userId !== record.user_id) throw new ForbiddenError('The task is somebody else\'s')
  if (record.status !== 'running') throw settled(record)
}

function settled ({ task_id, status, finished_at }: TaskRecord): Error {
  return withDetails(new AlreadySettledError('The task has ended already'), { task_id, status, finished_at })
}

function oldestFirst (a: TaskRecord, b: TaskRecord): number {
  return a.started_at - b.started_at
}

function copy (record: TaskRecord): TaskRecord {
  return { ...record, logs: [...record.logs] }
}
