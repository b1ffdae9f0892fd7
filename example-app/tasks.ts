import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { signedIn, userIdOf } from './accounts.js'
import type { Imports } from './import.js'

const tags = ['tasks']

/** Tasks of the user who is signed in. */
export const taskRoutes: FastifyPluginAsyncTypebox<{ imports: Imports, batchMs: number }> = async (app, { imports, batchMs }) => {
  app.addHook('onRequest', signedIn)

  app.get('/tasks', {
    schema: { tags, summary: 'My tasks, oldest first', response: { 200: Type.Object({ tasks: Type.Array(Type.Unknown()), complete: Type.Boolean({ description: 'Whether every node has answered' }) }) } }
  }, (request) => app.ws.tasks.list(userIdOf(request), { cluster: true }))

  app.post('/tasks', {
    schema: { tags, summary: 'Start an import of a few seconds that asks a question on its way', response: { 201: Type.Unknown() } }
  }, async (request, reply) => {
    const userId = userIdOf(request)
    const { task, signal } = await app.ws.tasks.start({ userId, title: 'Import of customers.csv' })
    // Not awaited: the import goes on after this request, and reports to its user.
    imports.run(app.ws, { taskId: task.task_id, userId, cancelled: signal, batchMs }).catch((error) => app.log.error(error))
    return reply.code(201).send(task)
  })

  app.delete('/tasks/:task_id', {
    schema: {
      tags, summary: 'Cancel a task of mine', params: Type.Object({ task_id: Type.String() }), response: { 204: Type.Null() }
    }
  }, async (request, reply) => {
    const by = { user_id: userIdOf(request), client_id: null }
    await app.ws.tasks.cancel(request.params.task_id, { userId: by.user_id, by })
    reply.code(204)
    return null
  })
}
