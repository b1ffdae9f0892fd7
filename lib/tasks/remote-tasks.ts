import { Type, type Static } from '@sinclair/typebox'
import { Nullable } from '../../schemas/fields.js'
import { AnsweredBy, TaskRecord } from '../../schemas/records.js'
import { TasksHere, TasksQuery } from '../../schemas/rest.js'
import { clusterCall, type ClusterReplies } from '../cluster/call.js'
import type { Cluster } from '../engine/engine.js'
import { UnavailableError } from '../errors.js'

/** A request to cancel a task on the node that has it. */
const Cancellation = Type.Object({ task_id: Type.String(), by: Type.Union([AnsweredBy, Type.Null()]) })

/** The tasks of one user, in pages. */
export const UserTasksQuery = Type.Composite([TasksQuery, Type.Required(Type.Pick(TasksQuery, ['user_id']))], { additionalProperties: false })
export type UserTasksQuery = Static<typeof UserTasksQuery>

const taskCall = clusterCall('task', { request: Type.String(), response: Nullable(TaskRecord) })
const tasksCall = clusterCall('tasks', { request: UserTasksQuery, response: TasksHere })
const cancelCall = clusterCall('cancel task', { request: Cancellation, response: Nullable(TaskRecord) })

/** The tasks of this node, for other nodes. */
export interface LocalTasks {
  get: (taskId: string) => TaskRecord | null
  list: (query: UserTasksQuery) => TasksHere
  /** Cancels a task that is running here. Resolves to its record afterwards; null: it was never here. */
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

  /** Finds a task on any other node. @throws WSM_ERR_UNAVAILABLE where a node that may have it did not answer */
  async find (taskId: string): Promise<TaskRecord | null> {
    return oneOf(await taskCall.all(this.#cluster, taskId))
  }

  /** Lists a page of each node that has answered. */
  list (query: UserTasksQuery): Promise<ClusterReplies<TasksHere>> {
    return tasksCall.all(this.#cluster, query)
  }

  /**
   * Cancels a task where it runs. Resolves to its record afterwards.
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
  if (record === undefined && !complete) throw new UnavailableError('A node that may have the task did not respond')
  return record ?? null
}
