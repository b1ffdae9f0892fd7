import { Type, type Static } from '@sinclair/typebox'
import { Nullable } from '../../schemas/fields.js'
import { AnsweredBy, TaskRecord } from '../../schemas/records.js'
import { TasksHere, TasksQuery } from '../../schemas/rest.js'
import { clusterCall, type ClusterReplies } from '../cluster/call.js'
import type { Cluster } from '../engine/engine.js'
import { UnavailableError } from '../errors.js'

/** What one node asks the one that has the task. */
const Cancellation = Type.Object({ task_id: Type.String(), by: Type.Union([AnsweredBy, Type.Null()]) })

/** Which part of whose tasks. */
export const UserTasksQuery = Type.Composite([TasksQuery, Type.Required(Type.Pick(TasksQuery, ['user_id']))], { additionalProperties: false })
export type UserTasksQuery = Static<typeof UserTasksQuery>

const taskCall = clusterCall('task', { request: Type.String(), response: Nullable(TaskRecord) })
const tasksCall = clusterCall('tasks', { request: UserTasksQuery, response: TasksHere })
const cancelCall = clusterCall('cancel task', { request: Cancellation, response: Nullable(TaskRecord) })

/** What this node answers of its own tasks. */
export interface LocalTasks {
  get: (taskId: string) => TaskRecord | null
  list: (query: UserTasksQuery) => TasksHere
  /** Cancels a task that is running here. Resolves to what it is then; null: it was never here. */
  cancelHere: (taskId: string, by: AnsweredBy | null) => Promise<TaskRecord | null>
}

/** The tasks that other nodes have started. */
export class RemoteTasks {
  readonly #cluster: Cluster

  constructor (cluster: Cluster, local: LocalTasks) {
    this.#cluster = cluster
    taskCall.serve(cluster, (taskId) => local.get(taskId))
    tasksCall.serve(cluster, (query) => local.list(query))
    cancelCall.serve(cluster, ({ task_id: taskId, by }) => local.cancelHere(taskId, by))
  }

  /** @throws WSM_ERR_UNAVAILABLE where a node that may have it did not answer */
  async find (taskId: string): Promise<TaskRecord | null> {
    return oneOf(await taskCall.all(this.#cluster, taskId))
  }

  /** A page of each node that has answered. */
  list (query: UserTasksQuery): Promise<ClusterReplies<TasksHere>> {
    return tasksCall.all(this.#cluster, query)
  }

  /**
   * Cancels it where it runs. Resolves to what it is then.
   *
   * @throws WSM_ERR_UNAVAILABLE where a node that may have it did not answer
   */
  async cancel (taskId: string, by: AnsweredBy | null): Promise<TaskRecord | null> {
    return oneOf(await cancelCall.all(this.#cluster, { task_id: taskId, by }))
  }
}

/** @throws WSM_ERR_UNAVAILABLE where no node has it, and one that may have it did not answer */
function oneOf ({ values, complete }: ClusterReplies<TaskRecord | null>): TaskRecord | null {
  const record = values.find((value) => value !== null)
  if (record === undefined && !complete) throw new UnavailableError('A node that may have the task does not answer')
  return record ?? null
}
