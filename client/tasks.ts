import type { TaskLogLine, TaskRecord, TaskStatus } from '../schemas/records.js'
import type { Frame } from './connection.js'
import type { Fail } from './emitter.js'
import { ListStore } from './store.js'

export interface TaskHost {
  fail: Fail
  request: (frame: Frame) => Promise<any>
  /** The tasks of the user, by REST. */
  load: () => Promise<TaskRecord[]>
}

/** Lines that are kept of each task. */
const MAX_LOGS = 200

/** A task of the user as it was at one moment: each change makes a new object. */
export class Task {
  readonly id: string
  readonly title: string | null
  readonly status: TaskStatus
  /** Percent. */
  readonly progress: number
  /** The latest progress message. */
  readonly message: string | null
  /** The latest 200 lines. */
  readonly logs: readonly TaskLogLine[]
  readonly result: unknown
  readonly error: string | null
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** null while it runs. */
  readonly finishedAt: number | null
  readonly #host: TaskHost

  /** @internal */
  constructor (record: TaskRecord, host: TaskHost) {
    this.id = record.task_id
    this.title = record.title
    this.status = record.status
    this.progress = record.progress
    this.message = record.message
    this.logs = record.logs
    this.result = record.result
    this.error = record.error
    this.startedAt = record.started_at
    this.finishedAt = record.finished_at
    this.#host = host
  }

  /** Cancels it. Rejects with `already_settled` if it has ended, and with `not_found` if the server knows no such task. */
  async cancel (): Promise<void> {
    await this.#host.request({ type: 'cancel', task_id: this.id })
  }
}

/** The tasks of the user, oldest first: those that run, and those that ended as long as the server keeps them. */
export class Tasks extends ListStore<Task> {
  readonly #host: TaskHost
  readonly #records = new Map<string, TaskRecord>()
  #tasks = new Map<string, Task>()
  /** The tasks that have changed while the list was loaded: what came by the socket is newer. */
  #changedMeanwhile: Set<string> | null = null
  #loads = 0

  /** @internal */
  constructor (host: TaskHost) {
    super(host.fail, 'tasks', () => { this.connected() })
    this.#host = host
  }

  /** The task of an id; undefined: none is known. */
  get (id: string): Task | undefined {
    return this.list.find((task) => task.id === id)
  }

  /** @internal */
  handle (frame: Frame): boolean {
    switch (frame.type) {
      case 'task_progress': this.#update(frame, { title: frame.title, status: frame.status, progress: frame.progress, message: frame.message, started_at: frame.started_at }); return true
      case 'task_log': {
        const { level, line, timestamp } = frame
        this.#update(frame, { logs: [...this.#records.get(frame.task_id)?.logs ?? [], { level, line, timestamp }].slice(-MAX_LOGS) })
        return true
      }
      case 'task_done': this.#update(frame, { status: frame.status, result: frame.result, error: frame.error, finished_at: frame.finished_at, ...frame.status === 'done' && { progress: 100 } }); return true
      case 'task_cancelled': this.#update(frame, { status: 'cancelled', finished_at: frame.timestamp }); return true
      // It only tells that the task is alive.
      case 'heartbeat': return true
    }
    return false
  }

  /**
   * Loads the list: on a new socket, and after messages were missed.
   *
   * @internal
   */
  async connected (): Promise<void> {
    if (!this.isWanted) return
    const load = ++this.#loads
    const before = [...this.#records.keys()]
    const changed = this.#changedMeanwhile = new Set()
    try {
      const found = await this.#host.load()
      if (load !== this.#loads) return
      for (const record of found) if (!changed.has(record.task_id)) this.#set(record)
      const known = new Set(found.map(({ task_id: id }) => id))
      for (const id of before) {
        if (known.has(id) || changed.has(id)) continue
        this.#records.delete(id)
        this.#tasks.delete(id)
      }
      this.#tell()
    } catch (error) {
      if (load === this.#loads) this.#host.fail(error, 'loading the tasks')
    } finally {
      if (load === this.#loads) this.#changedMeanwhile = null
    }
  }

  /** @internal */
  reset (): void {
    this.#loads++
    this.#records.clear()
    this.#tasks.clear()
    this.#tell()
  }

  #update ({ task_id: id, user_id: userId }: Frame, fields: Partial<TaskRecord>): void {
    const before = this.#records.get(id) ?? {
      task_id: id, user_id: userId, title: null, status: 'running', progress: 0, message: null, logs: [], result: null, error: null, started_at: 0, finished_at: null
    }
    this.#set({ ...before, ...fields })
    this.#changedMeanwhile?.add(id)
    this.#tell()
  }

  #set (record: TaskRecord): void {
    this.#records.set(record.task_id, record)
    this.#tasks.set(record.task_id, new Task(record, this.#host))
  }

  #tell (): void {
    this.change([...this.#tasks.values()].sort((a, b) => a.startedAt - b.startedAt))
  }
}
