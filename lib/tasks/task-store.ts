import type { TaskRecord } from '../../schemas/records.js'
import type { TasksHere, TasksQuery } from '../../schemas/rest.js'
import { ExpiringMap } from '../engine/expiring-map.js'
import { OrderedSet } from '../engine/ordered-set.js'
import { compareTexts, cursorOf, firstPage, mergePages, readCursor } from '../pages.js'

export interface RunningTask { record: TaskRecord, controller: AbortController }

type Place = Pick<TaskRecord, 'started_at' | 'task_id'>

/** The tasks of one node: those that run, and for a while those that have ended. */
export class TaskStore {
  readonly #running = new Map<string, RunningTask>()
  readonly #ended: ExpiringMap<string, TaskRecord>
  readonly #byUser = new Map<string, OrderedSet<TaskRecord, Place>>()

  /** @param retainMs how long an ended task is kept */
  constructor (retainMs: number) {
    this.#ended = new ExpiringMap(retainMs, (record) => this.#unlist(record))
  }

  get running (): Iterable<RunningTask> {
    return this.#running.values()
  }

  getRunning (taskId: string): RunningTask | undefined {
    return this.#running.get(taskId)
  }

  getEnded (taskId: string): TaskRecord | undefined {
    return this.#ended.get(taskId)
  }

  /** Tells whether there was such a task, and it is over. */
  hasEnded (taskId: string): boolean {
    return this.#ended.get(taskId) !== undefined
  }

  /** Adds a task that runs, in the place of an ended one of that id. */
  add (task: RunningTask): void {
    const { record } = task
    const before = this.#ended.get(record.task_id)
    if (before !== undefined) {
      this.#ended.delete(record.task_id)
      this.#unlist(before)
    }
    this.#running.set(record.task_id, task)
    const list = this.#byUser.get(record.user_id) ?? new OrderedSet<TaskRecord, Place>(byPlace)
    this.#byUser.set(record.user_id, list)
    list.add(record)
  }

  /** Moves a task to the ended ones. */
  end ({ record }: RunningTask): void {
    this.#running.delete(record.task_id)
    this.#ended.set(record.task_id, record)
  }

  /** Removes a running task; an ended one stays. */
  withdraw (task: RunningTask): void {
    const { record } = task
    if (this.#running.get(record.task_id) !== task) return
    this.#running.delete(record.task_id)
    this.#unlist(record)
  }

  /** Lists a page of a user's tasks, oldest first. */
  list (userId: string, { limit, after }: Pick<TasksQuery, 'limit' | 'after'>): TasksHere {
    const records = this.#byUser.get(userId)?.values(after === undefined ? null : placeOf(after)) ?? []
    const { items, next } = firstPage(records, limit, cursorFor)
    return { tasks: items.map(copy), next }
  }

  clear (): void {
    this.#running.clear()
    this.#ended.clear()
    this.#byUser.clear()
  }

  #unlist (record: TaskRecord): void {
    const list = this.#byUser.get(record.user_id)!
    list.delete(record)
    if (list.isEmpty) this.#byUser.delete(record.user_id)
  }
}

/** Merges pages of several nodes that begin at the same place. */
export function mergeTasks (pages: readonly TasksHere[], limit: number): TasksHere {
  const { items, next } = mergePages(pages.map(({ tasks, next }) => ({ items: tasks, next })), limit, byPlace, cursorFor)
  return { tasks: items, next }
}

/** Copies a record, since that of a running task changes. */
export function copy (record: TaskRecord): TaskRecord {
  return { ...record, logs: [...record.logs] }
}

function cursorFor ({ started_at: startedAt, task_id: id }: Place): string {
  return cursorOf(startedAt, id)
}

function placeOf (cursor: string): Place {
  const [startedAt, id] = readCursor(cursor)
  return { started_at: startedAt, task_id: id }
}

function byPlace (a: Place, b: Place): number {
  return a.started_at - b.started_at || compareTexts(a.task_id, b.task_id)
}
