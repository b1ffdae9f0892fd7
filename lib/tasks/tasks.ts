import { randomUUID } from 'node:crypto'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyBaseLogger } from 'fastify'
import type { ServerFrameOf } from '../../schemas/frames/server.js'
import { TaskLogLine, TaskRecord, type AnsweredBy, type TaskStatus } from '../../schemas/records.js'
import type { TasksHere, TasksPage } from '../../schemas/rest.js'
import { guardedAbort } from '../abort.js'
import type { Confirmations } from '../confirmations/confirmations.js'
import type { Clock, Engine } from '../engine/engine.js'
import { AlreadySettledError, ForbiddenError, InvalidMessageError, NotFoundError } from '../errors.js'
import { withDetails } from '../wire-error.js'
import type { EventHub } from '../events.js'
import { assertValid } from '../validation/faults.js'
import { snapshot } from '../protocol/snapshot.js'
import { logThrown, messageOf } from '../thrown.js'
import type { Publisher } from '../streams/publisher.js'
import { topicOf } from '../topic-names.js'
import { RemoteTasks, UserTasksQuery } from './remote-tasks.js'
import type { TaskHeartbeats } from './task-heartbeats.js'
import { copy, mergeTasks, type RunningTask, type TaskStore } from './task-store.js'

/** The task that `ws.tasks.start()` announces (row F8). */
export interface TaskStartOptions {
  /** Whose task it is; the only one who sees it. */
  userId: string
  /** The task's id; default: a new UUID. */
  taskId?: string | undefined
  /** What the user reads; default: none. */
  title?: string | undefined
}

/** How a task is cancelled. */
export interface TaskCancelOptions {
  /** User that the task must belong to; default: any. */
  userId?: string | undefined
  /** Who cancels it; by default the app itself. */
  by?: AnsweredBy | undefined
  /** True if it must be a task that a node has started, or that asks its user something; default false. */
  mustBeKnown?: boolean | undefined
}

/** Paging of a list of tasks. */
export interface TaskListOptions {
  /** Maximum number of tasks: 1 to 1000, default 100. */
  limit?: number | undefined
  /** The `next` of the page before; null, the default: from the beginning. */
  after?: string | null | undefined
}

/** The parts that tasks work with. */
export interface TaskParts {
  engine: Pick<Engine, 'cluster' | 'clock'>
  store: TaskStore
  publisher: Publisher
  confirmations: Confirmations
  heartbeats: TaskHeartbeats
  events: EventHub
  log: FastifyBaseLogger
}

/** Maximum number of log lines kept for later readers. */
const MOST_LOG_LINES = 200
/** Default number of tasks on a page. */
const PAGE_SIZE = 100

const checkTask = TypeCompiler.Compile(TaskRecord)
const checkMessage = TypeCompiler.Compile(TaskRecord.properties.message)
const checkLogLine = TypeCompiler.Compile(TaskLogLine)
const checkQuery = TypeCompiler.Compile(UserTasksQuery)

/**
 * Tasks that users watch (row F8). Every change of a task goes to its user's sockets; an ended task can be read for `tasks.retainMs`.
 * A task lives on the node that has started it, and can be read and cancelled from all nodes.
 */
export class Tasks {
  readonly #remote: RemoteTasks
  readonly #clock: Clock
  readonly #publisher: Publisher
  readonly #confirmations: Confirmations
  readonly #heartbeats: TaskHeartbeats
  readonly #events: EventHub
  readonly #log: FastifyBaseLogger
  readonly #store: TaskStore
  #isClosed = false

  constructor ({ engine: { cluster, clock }, store, publisher, confirmations, heartbeats, events, log }: TaskParts) {
    this.#clock = clock
    this.#store = store
    this.#remote = new RemoteTasks(cluster, {
      get: (taskId) => this.get(taskId),
      list: ({ user_id: userId, ...page }) => this.#store.list(userId, page),
      cancelHere: (taskId, by) => this.#cancelHere(taskId, by)
    })
    this.#publisher = publisher
    this.#confirmations = confirmations
    this.#heartbeats = heartbeats
    this.#events = events
    this.#log = log
  }

  /**
   * Starts a task and announces it to its user. The signal fires when the task is cancelled or the server closes; on a server that
   * is closing it has already fired.
   *
   * @throws WSM_ERR_INVALID_MESSAGE where a task of that id is running, or an id is no string of 1 to 256 characters;
   *   WSM_ERR_UNAVAILABLE where it cannot be announced, and has not started
   */
  async start ({ userId, taskId = randomUUID(), title }: TaskStartOptions): Promise<{ task: TaskRecord, signal: AbortSignal }> {
    if (this.#store.getRunning(taskId) !== undefined) throw new InvalidMessageError(`task "${taskId}" is already running`)
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
      started_at: this.#clock.now(),
      finished_at: null
    }
    assertValid(checkTask, record)
    const controller = guardedAbort((thrown) => logThrown(this.#log, 'error', thrown, { task_id: taskId }, 'an abort listener failed'))
    if (this.#isClosed) {
      controller.abort()
      return { task: record, signal: controller.signal }
    }
    const task = { record, controller }
    this.#store.add(task)
    try {
      await this.#announceProgress(record)
    } catch (error) {
      this.#store.withdraw(task)
      throw error
    }
    return { task: copy(record), signal: controller.signal }
  }

  /**
   * Reports progress.
   *
   * @param progress percent, 0 to 100
   * @returns false where the task has ended, or the server closes
   * @throws WSM_ERR_NOT_FOUND
   */
  async progress (taskId: string, progress: number, message?: string): Promise<boolean> {
    const record = this.#open(taskId)
    if (record === null) return false
    assertValid(checkMessage, message ?? null)
    record.progress = progress
    record.message = message ?? record.message
    await this.#announceProgress(record)
    return true
  }

  /**
   * Adds a log line. Returns as `progress` does.
   *
   * @throws WSM_ERR_NOT_FOUND; WSM_ERR_INVALID_MESSAGE for a line that is not text, and an unknown level
   */
  async log (taskId: string, line: string, level: TaskLogLine['level'] = 'info'): Promise<boolean> {
    const record = this.#open(taskId)
    if (record === null) return false
    const entry = { level, line, timestamp: this.#clock.now() }
    assertValid(checkLogLine, entry)
    record.logs.push(entry)
    if (record.logs.length > MOST_LOG_LINES) record.logs.shift()
    await this.#announce({ type: 'task_log', ...entry, ...namesOf(record) }, true)
    return true
  }

  /**
   * Ends a task with its result. Returns as `progress` does.
   *
   * @throws WSM_ERR_INVALID_MESSAGE for a result that JSON cannot hold; the task is still running then
   */
  async done (taskId: string, result: unknown = null): Promise<boolean> {
    return this.#finish(taskId, 'done', { result: snapshot(result), progress: 100 })
  }

  /**
   * Ends a task as failed. Returns as `progress` does.
   *
   * @param error whatever was thrown; the user reads an error's message, or the value as text
   */
  async fail (taskId: string, error: unknown): Promise<boolean> {
    return this.#finish(taskId, 'failed', { error: messageOf(error) })
  }

  /**
   * Cancels a task, on whichever node it is: its signal fires, its open questions are cancelled, its user's sockets get
   * `task_cancelled`. For a task that no node has started only the frame and the event are sent, and the app stops the task itself. A client
   * can cancel such a task only where it has an open question to its user, or where `tasks.cancelUnknown` is on.
   *
   * @throws WSM_ERR_NOT_FOUND, WSM_ERR_FORBIDDEN for a task of another user than `userId`, WSM_ERR_ALREADY_SETTLED for one that has ended,
   *   WSM_ERR_UNAVAILABLE where a node that may have it did not answer, or, once the task is cancelled, where its open questions could
   *   not be cancelled
   * @param assertMay called in the turn in which the task is cancelled, since other nodes were asked before; throws to refuse
   */
  async cancel (taskId: string, { userId, by, mustBeKnown = false }: TaskCancelOptions = {}, assertMay = () => {}): Promise<void> {
    const running = this.#store.getRunning(taskId)
    const known = running?.record ?? this.#store.getEnded(taskId)
    if (known === undefined && await this.#cancelElsewhere(taskId, { userId, by }, assertMay)) return
    const owner = known?.user_id ?? userId
    if (owner === undefined) throw new NotFoundError('There is no such task')
    if (known === undefined && mustBeKnown && !await this.#confirmations.isAsking(taskId, owner)) throw new NotFoundError('There is no such task')
    if (known !== undefined) assertCancellable(known, userId)
    assertMay()
    if (running !== undefined) this.#end(running, 'cancelled')
    this.#heartbeats.stop(taskId, owner)
    try {
      // Before the signal, which the asking code may have passed on to its questions: they end as cancelled, not aborted.
      await this.#confirmations.cancelTask(taskId, owner)
    } finally {
      running?.controller.abort()
      this.#events.emit('task_cancelled', { taskId, userId: owner, task: known === undefined ? null : copy(known) })
      await this.#publisher.announce(topicOf.user(owner), {
        type: 'task_cancelled', task_id: taskId, user_id: owner, cancelled_by: by ?? null, timestamp: this.#clock.now()
      })
    }
  }

  /**
   * Reads a task. null: it was never started here, or ended longer than the retention ago. With `cluster` it reads a task of any node, and
   * rejects with WSM_ERR_UNAVAILABLE where a node that may have it did not answer.
   */
  get (taskId: string): TaskRecord | null
  get (taskId: string, options: { cluster: true }): Promise<TaskRecord | null>
  get (taskId: string, { cluster = false } = {}): TaskRecord | null | Promise<TaskRecord | null> {
    const here = this.#here(taskId)
    if (!cluster) return here
    return here === null ? this.#remote.find(taskId) : Promise.resolve(here)
  }

  #here (taskId: string): TaskRecord | null {
    const record = this.#store.getRunning(taskId)?.record ?? this.#store.getEnded(taskId)
    return record === undefined ? null : copy(record)
  }

  /**
   * Lists a page of a user's tasks, running and ended, oldest first. With `cluster` those of all nodes.
   *
   * @throws WSM_ERR_INVALID_MESSAGE for a `userId` that is not a string, a limit out of range, and an `after` that is no `next`
   */
  list (userId: string, options?: TaskListOptions): TasksHere
  list (userId: string, options: TaskListOptions & { cluster: true }): Promise<TasksPage>
  list (userId: string, { limit = PAGE_SIZE, after, cluster = false }: TaskListOptions & { cluster?: boolean } = {}): TasksHere | Promise<TasksPage> {
    const query = { user_id: userId, limit, after: after ?? undefined }
    return cluster ? this.#listOfAll(query) : this.#listHere(query)
  }

  /** Fires every running task's signal. Idempotent. */
  close (): void {
    this.#isClosed = true
    for (const { controller } of this.#store.running) controller.abort()
    this.#store.clear()
  }

  #listHere (query: UserTasksQuery): TasksHere {
    assertValid(checkQuery, query)
    return this.#store.list(query.user_id, query)
  }

  async #listOfAll (query: UserTasksQuery): Promise<TasksPage> {
    const here = this.#listHere(query)
    const { values, complete, missing } = await this.#remote.list(query)
    return { ...mergeTasks([here, ...values], query.limit), complete, missing }
  }

  /** Cancels a task of another node. Resolves to whether a node had it. */
  async #cancelElsewhere (taskId: string, { userId, by }: TaskCancelOptions, assertMay: () => void): Promise<boolean> {
    const record = await this.#remote.find(taskId)
    if (record === null) return false
    assertCancellable(record, userId)
    assertMay()
    const left = await this.#remote.cancel(taskId, by ?? null)
    // It may have ended meanwhile, or with its node.
    if (left !== null && left.status !== 'cancelled') throw settled(left)
    return left !== null
  }

  async #cancelHere (taskId: string, by: AnsweredBy | null): Promise<TaskRecord | null> {
    if (this.#store.getRunning(taskId) !== undefined) await this.cancel(taskId, by === null ? {} : { by })
    return this.get(taskId)
  }

  #open (taskId: string): TaskRecord | null {
    const running = this.#store.getRunning(taskId)
    if (running !== undefined) return running.record
    // While the server closes an app may still report on tasks that are forgotten already.
    if (!this.#isClosed && !this.#store.hasEnded(taskId)) throw new NotFoundError('There is no such task')
    return null
  }

  async #finish (taskId: string, status: TaskStatus, change: Partial<TaskRecord>): Promise<boolean> {
    const record = this.#open(taskId)
    if (record === null) return false
    Object.assign(record, change)
    this.#end(this.#store.getRunning(taskId)!, status)
    this.#heartbeats.stop(taskId, record.user_id)
    const { result, error, finished_at } = record
    await this.#announce({ type: 'task_done', status, result, error, finished_at, ...namesOf(record) })
    return true
  }

  #end (task: RunningTask, status: TaskStatus): void {
    task.record.status = status
    task.record.finished_at = this.#clock.now()
    this.#store.end(task)
  }

  async #announceProgress (record: TaskRecord): Promise<void> {
    const { title, status, progress, message, started_at } = record
    await this.#announce({ type: 'task_progress', title, status, progress, message, started_at, ...namesOf(record) }, true)
  }

  async #announce (frame: ServerFrameOf<'task_progress' | 'task_log' | 'task_done'>, isDroppable = false): Promise<void> {
    await this.#publisher.announce(topicOf.user(frame.user_id), frame, { isDroppable })
  }
}

/** The fields by which a frame names its task. */
function namesOf ({ task_id, user_id }: TaskRecord) {
  return { task_id, user_id }
}

/** @throws WSM_ERR_FORBIDDEN, WSM_ERR_ALREADY_SETTLED */
function assertCancellable (record: TaskRecord, userId: string | undefined): void {
  if (userId !== undefined && userId !== record.user_id) throw new ForbiddenError('The task belongs to another user')
  if (record.status !== 'running') throw settled(record)
}

function settled ({ task_id, status, finished_at }: TaskRecord): Error {
  return withDetails(new AlreadySettledError('The task has already ended'), { task_id, status, finished_at })
}
