import t from 'tap'
import type { WsEvents } from '../../lib/index.js'
import { MemoryConfirmationStore } from '../../lib/engine/memory/confirmations.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { askStored } from '../fixtures/questions.js'

/** Keeps the app's `task_cancelled` events. */
function cancellations ({ app }: TestApp): WsEvents['task_cancelled'][] {
  const events: WsEvents['task_cancelled'][] = []
  app.ws.on('task_cancelled', (event) => { events.push(event) })
  return events
}

t.test('cancelling one\'s own task fires its signal and notifies the app and every socket of the user', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const events = cancellations(server)
  const [alice, again, bob] = await Promise.all([server.connect('alice'), server.connect('alice'), server.connect('bob')])
  const { task: { task_id: taskId }, signal } = await tasks.start({ userId: 'alice' })
  t.equal(signal.aborted, false)
  t.match(await alice.request({ type: 'cancel', task_id: taskId }), { type: 'reply', data: { task_id: taskId } })
  t.equal(signal.aborted, true)
  const record = tasks.get(taskId)!
  t.match(record, { status: 'cancelled', finished_at: Number })
  t.strictSame(events, [{ taskId, userId: 'alice', task: record }])
  for (const client of [alice, again]) {
    const told = await client.next('task_cancelled')
    t.strictSame(told, {
      type: 'task_cancelled', task_id: taskId, user_id: 'alice', cancelled_by: { user_id: 'alice', client_id: alice.id }, timestamp: told.timestamp
    })
    t.equal(client.count('task_done'), 0)
  }
  await bob.settled()
  t.equal(bob.count('task_cancelled'), 0)
  t.equal(await tasks.progress(taskId, 50), false)
  t.equal(await tasks.done(taskId), false)
  t.match(tasks.get(taskId), { status: 'cancelled' })
})

t.test('the user_id of a cancel frame must be the sender\'s own', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const [alice, bob] = await Promise.all([server.connect('alice'), server.connect('bob')])
  const { task: { task_id: taskId } } = await tasks.start({ userId: 'alice' })
  t.match(await bob.request({ type: 'cancel', task_id: taskId, user_id: 'alice' }), { type: 'error', code: 'forbidden' })
  t.match(await alice.request({ type: 'cancel', task_id: taskId, user_id: 'bob' }), { type: 'error', code: 'forbidden' })
  t.match(tasks.get(taskId), { status: 'running' })
  t.match(await alice.request({ type: 'cancel', task_id: taskId, user_id: 'alice' }), { type: 'reply' })
})

t.test('a user cannot cancel another user\'s task by its id, running or ended', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const events = cancellations(server)
  const bob = await server.connect('bob', { claims: { roles: ['ws:admin'] } })
  const { task: { task_id: taskId }, signal } = await tasks.start({ userId: 'alice' })
  t.match(await bob.request({ type: 'cancel', task_id: taskId }), { type: 'error', code: 'forbidden' })
  t.equal(signal.aborted, false)
  await tasks.done(taskId)
  t.match(await bob.request({ type: 'cancel', task_id: taskId }), { type: 'error', code: 'forbidden' })
  t.strictSame(events, [])
})

t.test('cancelling an ended task is refused with how the task ended', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const alice = await server.connect('alice')
  for (const [end, status] of [[() => tasks.done('import'), 'done'], [() => tasks.fail('import', ''), 'failed'], [() => tasks.cancel('import'), 'cancelled']] as const) {
    await tasks.start({ userId: 'alice', taskId: 'import' })
    await end()
    const error = await alice.request({ type: 'cancel', task_id: 'import' })
    t.match(error, { type: 'error', code: 'already_settled' })
    t.strictSame(error.details, { task_id: 'import', status, finished_at: tasks.get('import')!.finished_at })
  }
})

t.test('exactly one of two simultaneous cancels of a task wins', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const events = cancellations(server)
  const { task: { task_id: taskId } } = await tasks.start({ userId: 'alice' })
  const [first, second] = await Promise.allSettled([tasks.cancel(taskId), tasks.cancel(taskId)])
  t.match([first, second], [{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'WSM_ERR_ALREADY_SETTLED' } }])
  t.equal(events.length, 1)
})

t.test('a cancel frame for a task that was not started is refused, and no socket is notified', async (t) => {
  const server = await startApp(t)
  const events = cancellations(server)
  const [alice, again] = await Promise.all([server.connect('alice'), server.connect('alice')])
  for (const frame of [{ task_id: 'elsewhere' }, { task_id: '<b>pay now</b>', user_id: 'alice' }]) {
    t.match(await alice.request({ type: 'cancel', ...frame }), { type: 'error', code: 'not_found' })
  }
  t.strictSame(events, [])
  await again.settled()
  t.equal(alice.count('task_cancelled') + again.count('task_cancelled'), 0)
})

t.test('with tasks.cancelUnknown a cancel frame for a task that was not started notifies the app and the user', async (t) => {
  const server = await startApp(t, { tasks: { cancelUnknown: true } })
  const events = cancellations(server)
  const [alice, bob] = await Promise.all([server.connect('alice'), server.connect('bob')])
  t.match(await alice.request({ type: 'cancel', task_id: 'elsewhere' }), { type: 'reply' })
  t.strictSame(events, [{ taskId: 'elsewhere', userId: 'alice', task: null }])
  t.match(await alice.next('task_cancelled'), { task_id: 'elsewhere', user_id: 'alice', cancelled_by: { client_id: alice.id } })
  await bob.settled()
  t.equal(bob.count('task_cancelled'), 0)
  t.equal(server.app.ws.tasks.get('elsewhere'), null)
})

t.test('the app can cancel a task by its id alone only if it was started', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const alice = await server.connect('alice')
  const { task: { task_id: taskId }, signal } = await tasks.start({ userId: 'alice' })
  await tasks.cancel(taskId)
  t.equal(signal.aborted, true)
  t.match(await alice.next('task_cancelled'), { cancelled_by: null })
  await t.rejects(tasks.cancel('elsewhere'), { code: 'WSM_ERR_NOT_FOUND' })
  await tasks.cancel('elsewhere', { userId: 'alice' })
  t.match(await alice.next('task_cancelled'), { task_id: 'elsewhere', cancelled_by: null })
})

t.test('an anonymous socket cannot cancel a task', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true } })
  const nobody = await server.connect('nobody', { token: null })
  t.match(await nobody.request({ type: 'cancel', task_id: 'import' }), { type: 'error', code: 'unauthorized' })
})

t.test('a cancelled task\'s questions are closed before the user hears of the task', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const { task: { task_id: taskId } } = await server.app.ws.tasks.start({ userId: 'alice' })
  const { end } = await askStored(server, 'alice', { taskId })
  await server.app.ws.tasks.cancel(taskId)
  t.match(await end, { outcome: 'cancelled', proceed: false })
  await alice.settled()
  const told = alice.received.map(({ type }) => type).filter((type) => type.endsWith('closed') || type.endsWith('cancelled'))
  t.strictSame(told, ['confirmation_closed', 'task_cancelled'])
})

t.test('a task whose questions cannot be read is cancelled nevertheless, and the app and the user are notified', async (t) => {
  const server = await startApp(t)
  const { tasks } = server.app.ws
  const events = cancellations(server)
  const alice = await server.connect('alice')
  const { task: { task_id: taskId }, signal } = await tasks.start({ userId: 'alice' })
  const unread = t.intercept(MemoryConfirmationStore.prototype, 'list', { value: async () => { throw new Error('the store is out of reach') } })
  await t.rejects(tasks.cancel(taskId), { message: 'the store is out of reach' }, 'its questions may still be open')
  unread.restore()
  t.equal(signal.aborted, true)
  t.match(events, [{ taskId, task: { status: 'cancelled' } }])
  t.match(await alice.next('task_cancelled'), { task_id: taskId, cancelled_by: null })
})
