import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { AnsweredBy, TaskRecord } from '../../schemas/records.js'
import { TasksHere, TasksQuery } from '../../schemas/rest.js'
import { ASK_TIMEOUT_MS, type Cluster, type ClusterAnswers } from '../engine/engine.js'
import { UnavailableError } from '../errors.js'

/** What one node asks the one that has the task. */
const Cancellation = Type.Object({ task_id: Type.String(), by: Type.Union([AnsweredBy, Type.Null()]) })
type Cancellation = Static<typeof Cancellation>

/** Which part of whose tasks. */
export const UserTasksQuery = Type.Composite([TasksQuery, Type.Required(Type.Pick(TasksQuery, ['user_id']))], { additionalProperties: false })
export type UserTasksQuery = Static<typeof UserTasksQuery>

const checkTask = TypeCompiler.Compile(TaskRecord)
const checkPage = TypeCompiler.Compile(TasksHere)
const checkQuery = TypeCompiler.Compile(UserTasksQuery)
const checkCancellation = TypeCompiler.Compile(Cancellation)

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
    cluster.onAsk('task', (taskId) => local.get(String(taskId)))
    cluster.onAsk('tasks', (query) => checkQuery.Check(query) ? local.list(query) : null)
    cluster.onAsk('cancel task', (asked) => checkCancellation.Check(asked) ? local.cancelHere(asked.task_id, asked.by) : null)
  }

  /** @throws WSM_ERR_UNAVAILABLE where a node that may have it did not answer */
  async find (taskId: string): Promise<TaskRecord | null> {
    return this.#one('task', taskId)
  }

  /** A page of each node that has answered. */
  async list (query: UserTasksQuery): Promise<{ pages: TasksHere[], missing: string[] | null }> {
    const { answers, missing } = await this.#ask('tasks', query)
    return { pages: answers.map(({ data }) => data).filter((data) => checkPage.Check(data)), missing }
  }

  /**
   * Cancels it where it runs. Resolves to what it is then.
   *
   * @throws WSM_ERR_UNAVAILABLE where a node that may have it did not answer
   */
  async cancel (taskId: string, by: AnsweredBy | null): Promise<TaskRecord | null> {
    return this.#one('cancel task', { task_id: taskId, by } satisfies Cancellation)
  }

  async #one (kind: string, data: unknown): Promise<TaskRecord | null> {
    const { answers, missing } = await this.#ask(kind, data)
    const record = answers.map(({ data: answer }) => answer).find((answer) => checkTask.Check(answer))
    if (record === undefined && missing?.length !== 0) throw new UnavailableError('A node that may have the task does not answer')
    return record ?? null
  }

  #ask (kind: string, data: unknown): Promise<ClusterAnswers> {
    return this.#cluster.ask(kind, data, ASK_TIMEOUT_MS)
  }
}
