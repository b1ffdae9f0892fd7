import t from 'tap'
import { startApp } from '../fixtures/app.js'

t.test('a task is shown to its user and to callers with permission', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const { task: { task_id: taskId } } = await tasks.start({ userId: 'alice', title: 'Import' })
  await tasks.progress(taskId, 12.5, 'row 1')
  await tasks.log(taskId, 'reading', 'warn')
  for (const as of ['alice', 'admin']) {
    const { status, body } = await server.rest('GET', `/ws/tasks/${taskId}`, { as })
    t.equal(status, 200)
    t.strictSame(body, tasks.get(taskId))
  }
  t.match(await server.rest('GET', `/ws/tasks/${taskId}`, { as: 'bob' }), { status: 403, body: { code: 'WSM_ERR_FORBIDDEN' } })
  t.match(await server.rest('GET', `/ws/tasks/${taskId}`, { as: null }), { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
})

t.test('an ended task can still be read, with any result', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  for (const result of [{ rows: [1, 2], nested: { deep: null } }, [1, 'two'], 'text', 0, false, null]) {
    await tasks.start({ userId: 'alice', taskId: 'import' })
    await tasks.done('import', result)
    const { body } = await server.rest('GET', '/ws/tasks/import', { as: 'alice' })
    t.match(body, { status: 'done', progress: 100, error: null, finished_at: Number })
    t.strictSame(body.result, result)
  }
})

t.test('a user cancels a task, and is told by the socket', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const { task: { task_id: taskId }, signal } = await server.app.ws.tasks.start({ userId: 'alice' })
  const cancelled = await server.rest('DELETE', `/ws/tasks/${taskId}`, { as: 'alice' })
  t.match(cancelled, { status: 200, body: { task_id: taskId, status: 'cancelled', finished_at: Number } })
  t.equal(signal.aborted, true)
  t.match(await alice.next('task_cancelled'), { task_id: taskId, cancelled_by: { user_id: 'alice', client_id: null } })
})

t.test('callers with permission cancel a task, and it names them', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const { task: { task_id: taskId }, signal } = await server.app.ws.tasks.start({ userId: 'alice' })
  t.match(await server.rest('DELETE', `/ws/tasks/${taskId}`, { as: 'bob' }), { status: 403, body: { code: 'WSM_ERR_FORBIDDEN' } })
  t.match(await server.rest('DELETE', `/ws/tasks/${taskId}`, { as: null }), { status: 401 })
  t.equal(signal.aborted, false)
  t.match(await server.rest('DELETE', `/ws/tasks/${taskId}`, { as: 'admin' }), { status: 200, body: { status: 'cancelled', user_id: 'alice' } })
  t.match(await alice.next('task_cancelled'), { user_id: 'alice', cancelled_by: { user_id: 'admin', client_id: null } })
})

t.test('cancelling an ended task is 409 with its end', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const { task: { task_id: taskId } } = await tasks.start({ userId: 'alice' })
  await tasks.fail(taskId, 'disk full')
  for (const as of ['alice', 'admin']) {
    const refused = await server.rest('DELETE', `/ws/tasks/${taskId}`, { as })
    t.match(refused, { status: 409, body: { statusCode: 409, code: 'WSM_ERR_ALREADY_SETTLED', error: 'Conflict' } })
    t.strictSame(refused.body.details, { task_id: taskId, status: 'failed', finished_at: tasks.get(taskId)!.finished_at })
  }
})

t.test('an unknown task, or one not started here, is 404', async (t) => {
  const server = await startApp(t)
  for (const method of ['GET', 'DELETE']) {
    for (const as of ['alice', 'admin']) {
      t.match(await server.rest(method, '/ws/tasks/nothing', { as }), { status: 404, body: { code: 'WSM_ERR_NOT_FOUND' } }, `${method} as ${as}`)
    }
  }
})

t.test('a task id may contain any character', async (t) => {
  const server = await startApp(t)
  const taskId = 'a/b ?#%c:ü'
  await server.app.ws.tasks.start({ userId: 'alice', taskId })
  t.match(await server.rest('GET', `/ws/tasks/${encodeURIComponent(taskId)}`, { as: 'alice' }), { status: 200, body: { task_id: taskId } })
})

t.test('tasks are listed to their user, and to callers with permission', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  await tasks.start({ userId: 'alice', taskId: 'import' })
  await tasks.start({ userId: 'bob', taskId: 'export' })
  const of = (body: { tasks: { task_id: string }[] }) => body.tasks.map(({ task_id: id }) => id)
  const { status, body } = await server.rest('GET', '/ws/tasks', { as: 'alice' })
  t.equal(status, 200)
  t.strictSame(body, { tasks: [tasks.get('import')], next: null, complete: true, missing: [] })
  t.strictSame(of((await server.rest('GET', '/ws/tasks?user_id=bob')).body), ['export'])
  t.match(await server.rest('GET', '/ws/tasks?user_id=bob', { as: 'alice' }), { status: 403 })
  t.match(await server.rest('GET', '/ws/tasks', { as: null }), { status: 401 })
  for (const query of ['limit=0', 'limit=1001', 'after=x', 'status=running']) t.equal((await server.rest('GET', `/ws/tasks?${query}`, { as: 'alice' })).status, 400, query)
})
