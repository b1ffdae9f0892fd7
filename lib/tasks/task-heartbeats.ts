import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../engine/engine.js'
import { logThrown } from '../thrown.js'
import type { Publisher } from '../streams/publisher.js'
import { topicOf } from '../topic-names.js'
import type { TaskStore } from './task-store.js'

/** The heartbeat that `ws.startHeartbeat()` sends (row A7). */
export interface TaskHeartbeatOptions {
  /** The only user who receives it. */
  userId: string
  /** The task that is alive. */
  taskId: string
  /** Time between two heartbeats, milliseconds; default 30 000. */
  intervalMs?: number | undefined
}

/** Tells users at intervals that their tasks are alive (row A7). */
export class TaskHeartbeats {
  readonly #publisher: Publisher
  readonly #clock: Clock
  readonly #log: FastifyBaseLogger
  readonly #tasks: Pick<TaskStore, 'hasEnded'>
  readonly #timers = new Map<string, Set<NodeJS.Timeout>>()
  #isClosed = false

  constructor (publisher: Publisher, tasks: Pick<TaskStore, 'hasEnded'>, clock: Clock, log: FastifyBaseLogger) {
    this.#publisher = publisher
    this.#clock = clock
    this.#tasks = tasks
    this.#log = log
  }

  /**
   * The first one goes out at once. Returns the stop; calling it twice is harmless. It stops by itself with the task,
   * and does not start for one that is over.
   */
  start ({ userId, taskId, intervalMs = 30_000 }: TaskHeartbeatOptions): () => void {
    if (this.#isClosed || this.#tasks.hasEnded(taskId)) return () => {}
    const key = keyOf(taskId, userId)
    const beat = () => this.#publisher
      .announce(topicOf.user(userId), { type: 'heartbeat', user_id: userId, task_id: taskId, timestamp: this.#clock.now() }, { isDroppable: true, history: false })
      .catch((error: unknown) => logThrown(this.#log, 'warn', error, { task_id: taskId }, 'a heartbeat could not be sent'))
    beat()
    const timer = setInterval(beat, intervalMs)
    const timers = this.#timers.get(key) ?? new Set()
    this.#timers.set(key, timers.add(timer))
    return () => {
      clearInterval(timer)
      if (timers.delete(timer) && timers.size === 0) this.#timers.delete(key)
    }
  }

  /** Stops every heartbeat of a task. */
  stop (taskId: string, userId: string): void {
    this.#stopAll(keyOf(taskId, userId))
  }

  close (): void {
    this.#isClosed = true
    for (const key of this.#timers.keys()) this.#stopAll(key)
  }

  #stopAll (key: string): void {
    const timers = this.#timers.get(key)
    for (const timer of timers ?? []) clearInterval(timer)
    timers?.clear()
    this.#timers.delete(key)
  }
}

function keyOf (taskId: string, userId: string): string {
  // With its length in front, so that no other pair of ids makes the same key.
  return `${taskId.length}:${taskId}${userId}`
}
