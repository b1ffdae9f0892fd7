import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { memoryOptions } from '../fixtures/memory.js'
import { startApp } from '../fixtures/app.js'
import { askStored } from '../fixtures/questions.js'
import { nodeOn } from '../fixtures/node.js'
import { timersOf } from '../fixtures/timers.js'
import { until } from '../fixtures/until.js'

t.test('an ended question can be read for confirmations.retainMs, and is gone afterwards', async (t) => {
  const server = await startApp(t, { confirmations: { retainMs: 100 } })
  const { confirmations } = server.app.ws
  const { id } = await askStored(server, 'alice')
  const endedAt = performance.now()
  await confirmations.cancel(id)
  t.match((await confirmations.list()).confirmations, [{ callback_id: id, status: 'cancelled' }])
  while (await confirmations.get(id) !== null) await setImmediate()
  t.ok(performance.now() - endedAt >= 99, 'it was there for that long')
  t.equal(await confirmations.get(id), null)
  await t.rejects(confirmations.cancel(id), { code: 'WSM_ERR_NOT_FOUND' })
  t.same((await confirmations.list()).confirmations, [])
  const alice = await server.connect('alice')
  t.match(await alice.request({ type: 'confirm', callback_id: id, proceed: true }), { code: 'not_found' })
  for (const method of ['GET', 'POST', 'DELETE']) {
    const gone = await server.rest(method, `/ws/confirmations/${id}`, { as: 'alice', body: method === 'POST' ? { proceed: true } : undefined })
    t.match(gone, { status: 404, body: { code: 'WSM_ERR_NOT_FOUND' } }, method)
  }
})

t.test('an open question outlasts confirmations.retainMs', async (t) => {
  const server = await startApp(t, { confirmations: { retainMs: 20 } })
  const { confirmations } = server.app.ws
  const [ended, open] = [await askStored(server, 'alice'), await askStored(server, 'alice')]
  await confirmations.cancel(ended.id)
  while ((await confirmations.list()).confirmations.length > 1) await setImmediate()
  t.match(await confirmations.get(open.id), { status: 'pending' })
})

t.test('ended questions share a timer, and forgotten ones leave none', async (t) => {
  const engine = new MemoryEngine(memoryOptions({ retainMs: 30 }))
  const { node: { confirmations } } = nodeOn(engine)
  const timerCount = timersOf(t)
  const ends = Array.from({ length: 50 }, () => confirmations.notify({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task-1' }))
  const { confirmations: open } = await confirmations.list()
  t.equal(timerCount(), 50 + 1, 'each open question has its time-out')
  for (const { callback_id: id } of open) await confirmations.cancel(id)
  await Promise.all(ends)
  t.equal(timerCount(), 1 + 1, 'one timer forgets them all, beside that of the histories')
  while ((await confirmations.list()).confirmations.length > 0) await setImmediate()
  t.equal(timerCount(), 1)
})

t.test('closing leaves no timer of open or ended questions', async (t) => {
  const engine = new MemoryEngine(memoryOptions({ retainMs: 3_600_000 }))
  const { node } = nodeOn(engine)
  const { confirmations, tasks, taskHeartbeats } = node
  const timerCount = timersOf(t)
  const ends = [1, 2, 3].map((step) => confirmations.notify({ step, message: 'Go on?' }, { userId: 'alice', taskId: 'task-1' }))
  await confirmations.cancel((await confirmations.list()).confirmations[0]!.callback_id)
  const { task } = await tasks.start({ userId: 'alice' })
  await tasks.done(task.task_id)
  await tasks.start({ userId: 'alice' })
  taskHeartbeats.start({ userId: 'alice', taskId: 'task-1' })
  t.equal(timerCount(), 6)
  node.heartbeat.start()
  await node.close()
  await engine.close()
  t.strictSame((await Promise.all(ends)).map(({ outcome }) => outcome), ['cancelled', 'closed', 'closed'])
  t.equal(timerCount(), 0)
})

t.test('a single node reads due times only while an announcement has failed', async (t) => {
  const engine = new MemoryEngine(memoryOptions())
  const { node: { confirmations } } = nodeOn(engine)
  const publish = t.intercept(engine, 'publish', { value: async () => { throw new Error('out of reach') } })
  const takeDue = t.capture(engine.confirmations, 'takeDue', engine.confirmations.takeDue)
  const timerCount = timersOf(t)
  confirmations.start()
  t.equal(timerCount(), 0)
  const asked = [1, 2].map((step) => confirmations.notify({ step, message: 'Go on?' }, { userId: 'alice', taskId: 'task-1' }))
  await until(() => timerCount() === 3)
  for (const { callback_id: id } of (await confirmations.list()).confirmations) await confirmations.cancel(id)
  await Promise.all(asked)
  t.equal(publish().length, 4)
  // What is forgotten later has a timer, too.
  await until(() => timerCount() === 1)
  t.equal(takeDue().length, 1)
  await confirmations.close()
  confirmations.start()
  await engine.close()
})
