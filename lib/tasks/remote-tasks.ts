import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { AnsweredBy, TaskRecord } from '../../schemas/records.js'
import type { Cluster, ClusterAnswers } from '../engine/engine.js'

/** How long the other nodes may take to answer. */
const ASK_TIMEOUT_MS = 2_000

/** What one node asks the one that has the task. */
const Cancellation = Type.Object({ task_id: Type.String(), by: Type.Union([AnsweredBy, Type.Null()]) })
type Cancellation = Static<typeof Cancellation>

const checkTask = TypeCompiler.Compile(TaskRecord)
const checkTasks = TypeCompiler.Compile(Type.Array(TaskRecord))
const checkCancellation = TypeCompiler.Compile(Cancellation)

/** What this node answers of its own tasks. */
export interface LocalTasks {
  get: (taskId: string) => TaskRecord | null
  list: (userId: string) => TaskRecord[]
  /** Resolves to whether it was running here. */
  cancelHere: (taskId: string, by: AnsweredBy | null) => Promise<boolean>
}

/** The tasks that other nodes have started. */
export class RemoteTasks {
  readonly #cluster: Cluster

  constructor (cluster: Cluster, local: LocalTasks) {
    this.#cluster = cluster
    cluster.onAsk('task', (taskId) => local.get(String(taskId)))
    cluster.onAsk('tasks', (userId) => local.list(String(userId)))
    cluster.onAsk('cancel task', (asked) => checkCancellation.Check(asked) && local.cancelHere(asked.task_id, asked.by))
  }

  /** `isComplete`: whether every node has answered. */
  async find (taskId: string): Promise<{ record: TaskRecord | null, isComplete: boolean }> {
    const { answers, missing } = await this.#ask('task', taskId)
    return { record: answers.map(({ data }) => data).find((data) => checkTask.Check(data)) ?? null, isComplete: missing?.length === 0 }
  }

  async list (userId: string): Promise<{ tasks: TaskRecord[], missing: string[] | null }> {
    const { answers, missing } = await this.#ask('tasks', userId)
    return { tasks: answers.flatMap(({ data }) => checkTasks.Check(data) ? data : []), missing }
  }

  /** Resolves to whether it was running on a node that has answered. */
  async cancel (taskId: string, by: AnsweredBy | null): Promise<boolean> {
    const asked: Cancellation = { task_id: taskId, by }
    const { answers } = await this.#ask('cancel task', asked)
    return answers.some(({ data }) => data === true)
  }

  #ask (kind: string, data: unknown): Promise<ClusterAnswers> {
    return this.#cluster.ask(kind, data, ASK_TIMEOUT_MS)
  }
}
