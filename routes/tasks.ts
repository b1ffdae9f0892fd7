import { TaskRecord } from '../schemas/records.js'
import { TaskParams, TasksPage, TasksQuery } from '../schemas/rest.js'
import type { Tasks } from '../lib/tasks/tasks.js'
import { found, userOf, type Access } from './access.js'
import { answers, tags } from './answers.js'
import { queryOf } from './query.js'
import type { Scope } from './scope.js'

/** The parts that the task routes need. */
export interface TaskParts { access: Access, tasks: Tasks }

export function taskRoutes (scope: Scope, { access, tasks }: TaskParts): void {
  scope.get('/tasks', {
    schema: { tags, summary: 'Tasks of all nodes, oldest first; one\'s own, or with permission those of others', querystring: queryOf(TasksQuery), response: answers(TasksPage, 400, 401, 403, 503) },
    onRequest: access.authenticated
  }, async (request) => {
    const { user_id: userId = userOf(request).id, ...page } = request.query
    await access.owned(request, userId, 'tasks:list')
    return tasks.list(userId, { ...page, cluster: true })
  })

  scope.get('/tasks/:task_id', {
    schema: { tags, summary: 'One task; one\'s own, or with permission another\'s', params: TaskParams, response: answers(TaskRecord, 400, 401, 403, 404, 503) },
    onRequest: access.authenticated
  }, async (request) => {
    const record = found(await tasks.get(request.params.task_id, { cluster: true }), 'task')
    await access.owned(request, record.user_id, 'tasks:read')
    return record
  })

  scope.delete('/tasks/:task_id', {
    schema: { tags, summary: 'Cancels a task', params: TaskParams, response: answers(TaskRecord, 400, 401, 403, 404, 409, 503) },
    onRequest: access.authenticated
  }, async (request) => {
    const { task_id: taskId, user_id: userId } = found(await tasks.get(request.params.task_id, { cluster: true }), 'task')
    await access.owned(request, userId, 'tasks:cancel')
    await tasks.cancel(taskId, { by: { user_id: userOf(request).id, client_id: null } }, () => access.assertTokenStillValid(request))
    return found(await tasks.get(taskId, { cluster: true }), 'task')
  })
}
