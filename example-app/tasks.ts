import createError from '@fastify/error'
import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { TaskRecord } from 'fastify-ws-manager'
import { security, signedIn, userIdOf } from './accounts.js'
import type { Imports } from './import.js'

/** Imports of one user that run at the same time. */
const MOST_RUNNING = 3
/** Imports of one user that are known: those that run, and those that have ended within the hour. */
const MOST_KNOWN = 50

const TooManyImportsError = createError<[string]>('EXAMPLE_TOO_MANY_IMPORTS', '%s', 429)

const tags = ['tasks']

const Fault = Type.Object({ statusCode: Type.Integer(), code: Type.String(), error: Type.String(), message: Type.String() })

/** Tasks of the user who is signed in; the client follows and cancels them. */
export const taskRoutes: FastifyPluginAsyncTypebox<{ imports: Imports, batchMs: number }> = async (app, { imports, batchMs }) => {
  app.addHook('onRequest', signedIn)

  app.get('/tasks', {
    schema: { tags, security, summary: 'My tasks, oldest first', response: { 200: Type.Object({ tasks: Type.Array(Type.Unknown()), complete: Type.Boolean({ description: 'Whether every node has answered' }) }) } }
  }, (request) => app.ws.tasks.list(userIdOf(request), { cluster: true }))

  app.post('/tasks', {
    schema: { tags, security, summary: 'Start an import of a few seconds that asks a question on its way', response: { 201: Type.Unknown(), 429: Fault } }
  }, async (request, reply) => {
    const userId = userIdOf(request)
    assertRoom((await app.ws.tasks.list(userId, { cluster: true })).tasks)
    // Requests that came together have not seen each other's imports: so once more, in the turn in which this one starts.
    assertRoom(app.ws.tasks.list(userId).tasks)
    const { task, signal } = await app.ws.tasks.start({ userId, title: 'Import of customers.csv' })
    // Not awaited: the import goes on after this request, and reports to its user.
    imports.run(app.ws, { taskId: task.task_id, userId, cancelled: signal, batchMs }).catch((error) => app.log.error(error))
    return reply.code(201).send(task)
  })
}

function assertRoom (tasks: TaskRecord[]): void {
  if (tasks.filter(({ status }) => status === 'running').length >= MOST_RUNNING) {
    throw new TooManyImportsError(`You have ${MOST_RUNNING} imports running. Wait for one to end, or cancel one.`)
  }
  if (tasks.length >= MOST_KNOWN) throw new TooManyImportsError(`You have started ${MOST_KNOWN} imports within the hour. Try again later.`)
}
