import t from 'tap'
import type { Publication } from '../../lib/engine/engine.js'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { memoryOptions } from '../fixtures/memory.js'
import { startApp } from '../fixtures/app.js'
import { timerCount } from '../fixtures/questions.js'
import { nodeOn } from '../fixtures/node.js'

t.test('the task\'s user gets heartbeats at once and at intervals, and nobody else does', async (t) => {
  const server = await startApp(t)
  const [alice, again, bob] = await Promise.all([server.connect('alice'), server.connect('alice'), server.connect('bob')])
  const stop = server.app.ws.startHeartbeat({ userId: 'alice', taskId: 'import', intervalMs: 20 })
  const times: number[] = []
  for (let beat = 0; beat < 4; beat++) {
    const frame = await alice.next('heartbeat')
    t.strictSame(frame, { type: 'heartbeat', user_id: 'alice', task_id: 'import', timestamp: frame.timestamp })
    times.push(frame.timestamp)
    await again.next('heartbeat')
  }
  t.strictSame(times, [...times].sort())
  stop()
  await bob.settled()
  t.equal(bob.count('heartbeat'), 0)
})

t.test('task heartbeats end with their stop function, which can be called twice', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const before = timerCount()
  const stop = server.app.ws.startHeartbeat({ userId: 'alice', taskId: 'import', intervalMs: 10 })
  await alice.next('heartbeat')
  await alice.next('heartbeat')
  stop()
  t.equal(timerCount(), before)
  stop()
  t.equal(timerCount(), before)
})

t.test('task heartbeats end with their task, however the task ends', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const ends: [string, (taskId: string) => Promise<unknown>][] = [
    ['done', (taskId) => ws.tasks.done(taskId)], ['failed', (taskId) => ws.tasks.fail(taskId, '')], ['cancelled', (taskId) => ws.tasks.cancel(taskId)]
  ]
  // The timer that forgets ended tasks is there from here on.
  await ws.tasks.done((await ws.tasks.start({ userId: 'alice' })).task.task_id)
  const before = timerCount()
  for (const [name, end] of ends) {
    const { task: { task_id: taskId } } = await ws.tasks.start({ userId: 'alice' })
    const stop = ws.startHeartbeat({ userId: 'alice', taskId })
    t.equal(timerCount(), before + 1)
    await end(taskId)
    t.equal(timerCount(), before, name)
    stop()
    ws.startHeartbeat({ userId: 'alice', taskId })
    t.equal(timerCount(), before, 'one that starts after the end does not run')
  }
})

t.test('the heartbeat of a task that was not started here ends when the task is cancelled', async (t) => {
  const server = await startApp(t, { tasks: { cancelUnknown: true } })
  const alice = await server.connect('alice')
  // The first frame of a user may start timers of its own.
  await alice.settled()
  const before = timerCount()
  server.app.ws.startHeartbeat({ userId: 'alice', taskId: 'elsewhere' })
  server.app.ws.startHeartbeat({ userId: 'alice', taskId: 'other' })
  await alice.request({ type: 'cancel', task_id: 'elsewhere' })
  t.equal(timerCount(), before + 1)
})

t.test('two heartbeats of one task run independently, each with its own stop function', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const before = timerCount()
  const { task: { task_id: taskId } } = await ws.tasks.start({ userId: 'alice' })
  const [first, second] = [ws.startHeartbeat({ userId: 'alice', taskId }), ws.startHeartbeat({ userId: 'alice', taskId })]
  t.equal(timerCount(), before + 2)
  first()
  first()
  t.equal(timerCount(), before + 1)
  ws.startHeartbeat({ userId: 'alice', taskId })
  second()
  t.equal(timerCount(), before + 1)
  await ws.tasks.cancel(taskId)
  t.equal(timerCount(), before)
})

t.test('stopping heartbeats tells apart task and user ids that concatenate to the same text', async (t) => {
  const engine = new MemoryEngine(memoryOptions({ retainMs: 60_000 }))
  const { node: { taskHeartbeats } } = nodeOn(engine)
  const before = timerCount()
  const pairs = [['a', 'bc'], ['ab', 'c'], ['1:a', 'b'], ['1', ':ab'], ['a:b', 'c'], ['a', 'b:c']] as const
  for (const [taskId, userId] of pairs) taskHeartbeats.start({ taskId, userId })
  for (const [index, [taskId, userId]] of pairs.entries()) {
    taskHeartbeats.stop(taskId, userId)
    t.equal(timerCount(), before + pairs.length - index - 1)
  }
})

t.test('a heartbeat interval that no timer can keep is refused', async (t) => {
  const server = await startApp(t)
  const before = timerCount()
  for (const intervalMs of [0, -1, 1.5, NaN, Infinity, 2 ** 31, '20' as unknown as number]) {
    t.throws(() => server.app.ws.startHeartbeat({ userId: 'alice', taskId: 'import', intervalMs }), { code: 'WSM_ERR_INVALID_ARGUMENT' }, String(intervalMs))
  }
  t.equal(timerCount(), before)
})

t.test('a closed server sends no task heartbeats and starts none', async (t) => {
  const server = await startApp(t, { heartbeat: { enabled: false } })
  const { ws } = server.app
  ws.startHeartbeat({ userId: 'alice', taskId: 'import' })
  await server.app.close()
  const after = timerCount()
  const stop = ws.startHeartbeat({ userId: 'alice', taskId: 'import', intervalMs: 1 })
  t.equal(timerCount(), after)
  stop()
})

t.test('a task heartbeat that cannot be sent is logged, and the next one is tried', async (t) => {
  class FailingEngine extends MemoryEngine {
    readonly tried: Publication[] = []
    tries = (_count: number) => {}

    override async pass (publication: Publication): Promise<never> {
      this.tries(this.tried.push(publication))
      throw new Error('out of reach')
    }
  }
  const engine = new FailingEngine(memoryOptions())
  const { node: { taskHeartbeats }, logs } = nodeOn(engine)
  const thrice = new Promise<void>((resolve) => { engine.tries = (count) => { if (count === 3) resolve() } })
  const stop = taskHeartbeats.start({ userId: 'alice', taskId: 'import', intervalMs: 5 })
  await thrice
  stop()
  t.match(logs[0], { msg: 'a heartbeat could not be sent', task_id: 'import', err: { message: 'out of reach' } })
})
