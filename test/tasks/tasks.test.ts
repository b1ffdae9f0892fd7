import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { TasksHere } from '../../lib/index.js'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { timerCount } from '../fixtures/questions.js'
import { until } from '../fixtures/until.js'

t.test('every step of a task from start to end reaches its user and nobody else', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const [alice, again, bob] = await Promise.all([server.connect('alice'), server.connect('alice'), server.connect('bob')])
  const { task, signal } = await tasks.start({ userId: 'alice', title: 'Import' })
  const { task_id: taskId, started_at: startedAt } = task
  t.strictSame(task, {
    task_id: taskId,
    user_id: 'alice',
    title: 'Import',
    status: 'running',
    progress: 0,
    message: null,
    logs: [],
    result: null,
    error: null,
    started_at: startedAt,
    finished_at: null
  })
  t.match(taskId, /^[\da-f-]{36}$/)
  t.equal(await tasks.progress(taskId, 40, '4 of 10'), true)
  t.equal(await tasks.progress(taskId, 60), true)
  t.equal(await tasks.log(taskId, 'reading'), true)
  t.equal(await tasks.log(taskId, 'row 7 is bad', 'error'), true)
  t.equal(await tasks.done(taskId, { rows: 10 }), true)

  const record = tasks.get(taskId)!
  t.match(record, {
    status: 'done',
    progress: 100,
    message: '4 of 10',
    result: { rows: 10 },
    error: null,
    logs: [{ level: 'info', line: 'reading', timestamp: Number }, { level: 'error', line: 'row 7 is bad', timestamp: Number }]
  })
  const about = { task_id: taskId, user_id: 'alice' }
  const progress = { ...about, type: 'task_progress', title: 'Import', status: 'running', started_at: startedAt }
  for (const client of [alice, again]) {
    await client.settled()
    t.strictSame(client.received.filter(({ task_id: id }) => id === taskId), [
      { ...progress, progress: 0, message: null },
      { ...progress, progress: 40, message: '4 of 10' },
      { ...progress, progress: 60, message: '4 of 10' },
      { ...about, type: 'task_log', ...record.logs[0] },
      { ...about, type: 'task_log', ...record.logs[1] },
      { ...about, type: 'task_done', status: 'done', result: { rows: 10 }, error: null, finished_at: record.finished_at }
    ])
  }
  await bob.settled()
  t.notOk(bob.received.some(({ task_id: id }) => id === taskId))
  t.notOk(signal.aborted, 'an end is no cancel')
})

t.test('a failed task shows its user the error\'s message and no internals', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const alice = await server.connect('alice')
  const causes: [unknown, string][] = [[new Error('disk full'), 'disk full'], ['no space', 'no space'], [{ code: 7 }, '[object Object]'], [null, 'null']]
  for (const [cause, error] of causes) {
    const { task } = await tasks.start({ userId: 'alice' })
    await tasks.progress(task.task_id, 30)
    t.equal(await tasks.fail(task.task_id, cause as Error), true)
    t.match(tasks.get(task.task_id), { status: 'failed', error, progress: 30, result: null })
    t.strictSame(await alice.next('task_done'), {
      type: 'task_done', task_id: task.task_id, user_id: 'alice', status: 'failed', result: null, error, finished_at: tasks.get(task.task_id)!.finished_at
    })
  }
})

t.test('a task\'s progress is what the app reports, also where it goes backwards', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const alice = await server.connect('alice')
  const { task } = await tasks.start({ userId: 'alice' })
  await alice.next('task_progress')
  for (const [given, shown] of [[33.3, 33.3], [0, 0], [100, 100]] as const) {
    await tasks.progress(task.task_id, given)
    t.equal((await alice.next('task_progress')).progress, shown, String(given))
    t.equal(tasks.get(task.task_id)!.progress, shown)
  }
  t.equal((await server.rest('GET', `/ws/tasks/${task.task_id}`, { as: 'alice' })).status, 200)
})

t.test('all log lines of a task are sent, and the last 200 are kept', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const alice = await server.connect('alice')
  const { task } = await tasks.start({ userId: 'alice' })
  for (let line = 1; line <= 205; line++) await tasks.log(task.task_id, `line ${line}`)
  const { logs } = tasks.get(task.task_id)!
  t.equal(logs.length, 200)
  t.equal(logs[0]!.line, 'line 6')
  t.equal(logs.at(-1)!.line, 'line 205')
  await alice.settled()
  t.equal(alice.count('task_log'), 205)
})

t.test('reports on an ended task change nothing and return false', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const alice = await server.connect('alice')
  const { task: { task_id: taskId } } = await tasks.start({ userId: 'alice' })
  await tasks.done(taskId, 'first')
  const record = tasks.get(taskId)
  t.equal(await tasks.progress(taskId, 50), false)
  t.equal(await tasks.log(taskId, 'late'), false)
  t.equal(await tasks.done(taskId, 'second'), false)
  t.equal(await tasks.fail(taskId, 'late'), false)
  t.strictSame(tasks.get(taskId), record)
  await alice.settled()
  t.equal(alice.count('task_done'), 1)
  t.equal(alice.count('task_log'), 0)
})

t.test('a task that was never started is null when read, and reports on it reject with not_found', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  t.equal(tasks.get('nothing'), null)
  for (const call of [() => tasks.progress('nothing', 1), () => tasks.log('nothing', ''), () => tasks.done('nothing'), () => tasks.fail('nothing', '')]) {
    await t.rejects(call(), { code: 'WSM_ERR_NOT_FOUND' })
  }
})

t.test('a user\'s tasks are listed oldest first, running and ended', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const listed = () => tasks.list('alice').tasks.map(({ task_id: id, status }) => `${id} ${status}`)
  t.strictSame(listed(), [])
  await tasks.start({ userId: 'alice', taskId: 'first' })
  const { started_at: startedAt } = tasks.get('first')!
  while (Date.now() === startedAt) await setImmediate()
  await tasks.start({ userId: 'bob', taskId: 'bobs' })
  await tasks.start({ userId: 'alice', taskId: 'second' })
  await tasks.done('second')
  t.strictSame(listed(), ['first running', 'second done'])
})

t.test('a task\'s id can be used again once the task has ended, and not before', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  await tasks.start({ userId: 'alice', taskId: 'import', title: 'one' })
  await t.rejects(tasks.start({ userId: 'bob', taskId: 'import', title: 'two' }), { code: 'WSM_ERR_INVALID_ARGUMENT', message: /already running/ })
  t.match(tasks.get('import'), { user_id: 'alice', title: 'one' })
  await tasks.log('import', 'first run')
  await tasks.done('import')
  // Later, so that it has another place in the list.
  await until(() => Date.now() > tasks.get('import')!.started_at + 1)
  await tasks.start({ userId: 'alice', taskId: 'import', title: 'again' })
  t.match(tasks.get('import'), { status: 'running', title: 'again', logs: [] })
  t.equal(tasks.list('alice').tasks.length, 1)
})

t.test('a task record that was returned does not change afterwards', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const { task } = await tasks.start({ userId: 'alice' })
  const [got, listed] = [tasks.get(task.task_id)!, tasks.list('alice').tasks[0]]
  await tasks.log(task.task_id, 'a line')
  await tasks.done(task.task_id)
  for (const snapshot of [task, got, listed!]) t.match(snapshot, { status: 'running', logs: { length: 0 } })
  got.logs.push({ level: 'info', line: 'forged', timestamp: 0 })
  t.equal(tasks.get(task.task_id)!.logs.length, 1)
})

t.test('a task with an invalid id or user is refused', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const bad = [{}, { userId: '' }, { userId: 7 }, { userId: 'alice', taskId: '' }, { userId: 'alice', taskId: 'x'.repeat(257) }, { userId: 'alice', title: 5 }]
  for (const options of bad) {
    await t.rejects(tasks.start(options as { userId: string }), { code: 'WSM_ERR_INVALID_ARGUMENT' }, JSON.stringify(options))
  }
  t.strictSame(tasks.list('alice'), { tasks: [], next: null })
})

t.test('a task result that JSON cannot hold is refused, and the task still runs', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const alice = await server.connect('alice')
  const { task: { task_id: taskId } } = await tasks.start({ userId: 'alice' })
  for (const result of [{ rows: 10n }, () => {}]) await t.rejects(tasks.done(taskId, result), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  t.match(tasks.get(taskId), { status: 'running', result: null })
  const result = { rows: 1 }
  await tasks.done(taskId, result)
  result.rows = 2
  t.match(await alice.next('task_done'), { status: 'done', result: { rows: 1 } })
  t.match((await server.rest('GET', `/ws/tasks/${taskId}`, { as: 'alice' })).body, { result: { rows: 1 } })
})

t.test('an ended task can be read for tasks.retainMs; a running one as long as it runs', async (t) => {
  const server = await startApp(t, { tasks: { retainMs: 50 } })
  const { tasks } = server.app.ws
  await tasks.start({ userId: 'alice', taskId: 'running' })
  await tasks.start({ userId: 'alice', taskId: 'ended' })
  const endedAt = performance.now()
  await tasks.done('ended')
  while (tasks.get('ended') !== null) await setImmediate()
  t.ok(performance.now() - endedAt >= 49)
  await t.rejects(tasks.progress('ended', 1), { code: 'WSM_ERR_NOT_FOUND' })
  t.strictSame(tasks.list('alice').tasks.map(({ task_id: id }) => id), ['running'])
})

t.test('a closing server fires the signals of running tasks, and still sends reports made at once', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const alice = await server.connect('alice')
  const timers = timerCount()
  const { task: { task_id: taskId }, signal } = await tasks.start({ userId: 'alice' })
  const reported = new Promise<boolean>((resolve, reject) => {
    signal.addEventListener('abort', () => tasks.fail(taskId, 'the server closes').then(resolve, reject))
  })
  await server.app.close()
  t.equal(await reported, true)
  t.match(await alice.next('task_done'), { status: 'failed', error: 'the server closes' })
  t.ok(timerCount() <= timers, 'nothing is remembered')
})

t.test('reports on tasks while the server closes are harmless', async (t) => {
  const server = await startApp(t, {}, {
    after: (app) => {
      app.addHook('onClose', async () => {
        const { tasks } = app.ws
        t.equal(await tasks.progress('task', 50), false)
        t.equal(await tasks.done('task'), false)
        const late = await tasks.start({ userId: 'alice' })
        t.ok(late.signal.aborted, 'a task that starts then is told so at once')
        t.equal(await tasks.fail(late.task.task_id, 'late'), false)
        t.strictSame(tasks.list('alice'), { tasks: [], next: null })
      })
    }
  })
  const { signal } = await server.app.ws.tasks.start({ userId: 'alice', taskId: 'task' })
  await server.app.close()
  t.ok(signal.aborted)
})

t.test('a log line or progress message of the wrong type is refused', async (t) => {
  const { app: { ws } } = await startApp(t)
  const { task } = await ws.tasks.start({ userId: 'alice', taskId: 'kept' })
  await t.rejects(ws.tasks.log('kept', 'warn', 'a line' as 'warn'), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  await t.rejects(ws.tasks.log('kept', 7 as unknown as string), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  await t.rejects(ws.tasks.progress('kept', 5, {} as string), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  t.match(ws.tasks.get('kept'), { ...task, logs: [], message: null })
})

t.test('a task whose start cannot be announced has not started, and its id is free', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const failing = t.intercept(MemoryEngine.prototype, 'publish', { value: async () => { throw new Error('the engine is out of reach') } })
  await t.rejects(tasks.start({ userId: 'alice', taskId: 'import' }), { message: 'the engine is out of reach' })
  failing.restore()
  t.equal(tasks.get('import'), null)
  t.match(await tasks.start({ userId: 'alice', taskId: 'import' }), { task: { status: 'running' } })
})

t.test('a start that cannot be announced leaves a task of the same id that was started meanwhile', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const { publish } = MemoryEngine.prototype
  const [gate, calls] = [new Gate(), { count: 0 }]
  t.intercept(MemoryEngine.prototype, 'publish', {
    async value (this: MemoryEngine, ...args: Parameters<typeof publish>) {
      if (calls.count++ > 0) return publish.apply(this, args)
      await gate.wait()
      throw new Error('the engine is out of reach')
    }
  })
  const first = tasks.start({ userId: 'alice', taskId: 'import' })
  await gate.reached
  await tasks.done('import')
  await tasks.start({ userId: 'alice', taskId: 'import' })
  gate.open()
  await t.rejects(first, { message: 'the engine is out of reach' })
  t.match(tasks.get('import'), { status: 'running' })
})

t.test('tasks are listed in pages, whether they run or have ended, and whatever their ids', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const started: string[] = []
  for (const id of ['a', 'b:2:c', 'ü', 'd', 'e']) {
    const { task } = await tasks.start({ userId: 'alice', taskId: id })
    if (started.length % 2 === 0) await tasks.done(id)
    started.push(id)
    while (Date.now() === task.started_at) await setImmediate()
  }
  const ids: string[] = []
  let pages = 0
  for (let after: string | null = null; pages === 0 || after !== null; pages++) {
    const page: TasksHere = tasks.list('alice', { limit: 2, after })
    ids.push(...page.tasks.map(({ task_id: id }) => id))
    after = page.next
  }
  t.strictSame(ids, started)
  t.equal(pages, 3)
  t.equal(tasks.list('alice', { limit: 5 }).next, null, 'a full last page has no next')
  for (const options of [{ limit: 0 }, { limit: 1_001 }, { limit: 1.5 }, { after: 'x' }]) {
    t.throws(() => tasks.list('alice', options), { code: 'WSM_ERR_INVALID_ARGUMENT' })
    await t.rejects(tasks.list('alice', { ...options, cluster: true }), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  }
  for (const user of [undefined, 7]) t.throws(() => tasks.list(user as unknown as string), { code: 'WSM_ERR_INVALID_ARGUMENT' })
})

t.test('a task fails with whatever was thrown', async (t) => {
  const { app: { ws } } = await startApp(t)
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const thrown: Array<[unknown, string]> = [
    [undefined, 'undefined'], [null, 'null'], [Symbol('x'), 'Symbol(x)'], [new Map(), '[object Map]'], [revoked.proxy, 'an unreadable value was thrown'],
    [new TypeError('no disk'), 'no disk'], ['no disk', 'no disk']
  ]
  for (const [value, error] of thrown) {
    const { task } = await ws.tasks.start({ userId: 'alice' })
    t.equal(await ws.tasks.fail(task.task_id, value), true)
    t.match(ws.tasks.get(task.task_id), { status: 'failed', error })
  }
})
