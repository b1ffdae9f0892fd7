import type { TaskLogLine, TaskRecord, TaskStatus } from '../schemas/records.js'
import type { Core, Receivers } from './core.js'
import { LiveList } from './live-list.js'
import type { Frame } from './socket.js'

/** Maximum number of log lines kept per task. */
const MAX_LOGS = 200

/** A task of the user. Immutable: each change makes a new object. */
export class Task {
  readonly id: string
  readonly title: string | null
  readonly status: TaskStatus
  /** Percent, 0 to 100. */
  readonly progress: number
  /** The latest progress message. */
  readonly message: string | null
  /** The latest 200 lines, oldest first. */
  readonly logs: readonly TaskLogLine[]
  /** Result of the app, any JSON; null: none yet. */
  readonly result: unknown
  /** Why it failed; null: it did not. */
  readonly error: string | null
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** null while it runs. */
  readonly finishedAt: number | null
  readonly #core: Core

  /** @internal */
  constructor (record: TaskRecord, core: Core) {
    this.id = record.task_id
    this.title = record.title ?? null
    this.status = record.status
    this.progress = record.progress
    this.message = record.message ?? null
    this.logs = record.logs
    this.result = record.result ?? null
    this.error = record.error ?? null
    this.startedAt = record.started_at
    this.finishedAt = record.finished_at ?? null
    this.#core = core
  }

  /** Cancels the task. Rejects with `already_settled` if it has ended, and with `not_found` if the server does not know it. */
  async cancel (): Promise<void> {
    await this.#core.requests.send({ type: 'cancel', task_id: this.id })
  }
}

/** The tasks of the user, oldest first: those that run, and those that ended as long as the server keeps them. */
export class Tasks extends LiveList<TaskRecord, Task> {
  /** @internal */
  constructor (core: Core) {
    super({ core, name: 'tasks', id: 'task_id', time: 'started_at', show: (record) => new Task(record, core) })
  }

  /** The task of an id; undefined: none is known. */
  get (id: string): Task | undefined {
    return this.list.find((task) => task.id === id)
  }

  /** @internal */
  readonly receivers: Receivers = {
    task_progress: (frame) => this.#update(frame, frame),
    task_log: (frame) => {
      const { level, line, timestamp } = frame
      this.#update(frame, { logs: [...this.record(frame.task_id)?.logs ?? [], { level, line, timestamp }].slice(-MAX_LOGS) })
    },
    task_done: (frame) => this.#update(frame, frame.status === 'done' ? { ...frame, progress: 100 } : frame),
    task_cancelled: (frame) => this.#update(frame, { status: 'cancelled', finished_at: frame.timestamp }),
    // Changes nothing: it only says that the task is alive.
    heartbeat: () => {}
  }

  /** Fields of frames that a task does not show are kept in its record, and do no harm. */
  #update ({ task_id: id }: Frame, change: object): void {
    this.tell(id, { ...this.record(id) ?? { task_id: id, status: 'running', progress: 0, started_at: 0, logs: [] }, ...change } as TaskRecord)
  }
}
