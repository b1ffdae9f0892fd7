import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { redis } from '../../lib/engine/redis/redis.js'
import { RedisCluster } from '../../lib/engine/redis/cluster.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import type { TestClient } from '../fixtures/client.js'
import { RedisServer } from '../fixtures/redis.js'

const { port } = await RedisServer.start(t)

async function startNodes (t: Test, prefix = randomUUID() as string): Promise<[TestApp, TestApp]> {
  const start = () => startApp(t, { engine: redis({ host: '127.0.0.1', port }, { prefix }) })
  return Promise.all([start(), start()])
}

/** Does something before this node asks the others, and answers in their place where that returns something. */
function intercept (t: Test, before: (kind: string) => Promise<unknown> | unknown): void {
  const { ask } = RedisCluster.prototype
  t.intercept(RedisCluster.prototype, 'ask', {
    async value (this: RedisCluster, kind: string, data: unknown, timeoutMs: number) {
      return await before(kind) ?? ask.call(this, kind, data, timeoutMs)
    }
  })
}

t.test('a task of another node can be read by its id and in the user\'s list', async (t) => {
  const [here, there] = await startNodes(t)
  const { task: { task_id: first } } = await there.app.ws.tasks.start({ userId: 'alice', title: 'there' })
  const { task: second } = await here.app.ws.tasks.start({ userId: 'alice', title: 'here' })
  await there.app.ws.tasks.start({ userId: 'bob' })
  await there.app.ws.tasks.done(first, { rows: 5 })
  const record = there.app.ws.tasks.get(first)
  t.equal(here.app.ws.tasks.get(first), null)
  t.same(await here.app.ws.tasks.get(first, { cluster: true }), record)
  t.same(await here.app.ws.tasks.get(second.task_id, { cluster: true }), second)
  t.equal(await here.app.ws.tasks.get('nowhere', { cluster: true }), null)
  t.same(await here.app.ws.tasks.list('alice', { cluster: true }), { tasks: [record, second], next: null, complete: true, missing: [] })
  const { tasks: [oldest], next } = await here.app.ws.tasks.list('alice', { cluster: true, limit: 1 })
  t.same(oldest, record)
  t.match(await here.rest('GET', `/ws/tasks?limit=1&after=${next}`, { as: 'alice' }), { status: 200, body: { tasks: [{ task_id: second.task_id }], next: null, complete: true } })
  t.same(here.app.ws.tasks.list('alice'), { tasks: [second], next: null })
  t.same(await here.rest('GET', `/ws/tasks/${first}`, { as: 'alice' }).then(({ body }) => body), record)
  t.match(await here.rest('GET', `/ws/tasks/${first}`, { as: 'bob' }), { status: 403 })
})

t.test('a task of another node is cancelled on that node, by frame and by REST', async (t) => {
  const [here, there] = await startNodes(t)
  const { tasks } = there.app.ws
  const [one, two, three] = await Promise.all(['one', 'two', 'three'].map((taskId) => tasks.start({ userId: 'alice', taskId })))
  const alice = await here.connect('alice')
  t.match(await alice.request({ type: 'cancel', task_id: 'one' }), { type: 'reply', data: { task_id: 'one' } })
  t.equal(one!.signal.aborted, true)
  const by = { user_id: 'alice', client_id: alice.id }
  t.match(await alice.next('task_cancelled'), { task_id: 'one', cancelled_by: by })
  t.match(await here.rest('DELETE', '/ws/tasks/two', { as: 'alice' }), { status: 200, body: { status: 'cancelled' } })
  t.equal(two!.signal.aborted, true)
  await here.app.ws.tasks.cancel('three')
  t.equal(three!.signal.aborted, true)
  t.match(await alice.next((frame) => frame.task_id === 'three'), { type: 'task_cancelled', cancelled_by: null })
  t.equal(alice.count('task_cancelled'), 3, 'told once of each')

  t.match(await alice.request({ type: 'cancel', task_id: 'one' }), { code: 'already_settled', details: { status: 'cancelled' } })
  await tasks.start({ userId: 'bob', taskId: 'his' })
  t.match(await alice.request({ type: 'cancel', task_id: 'his' }), { code: 'forbidden' })
  t.equal(tasks.get('his')!.status, 'running')
})

t.test('cancelling a task rejects with unavailable where a node does not answer', async (t) => {
  const [here] = await startNodes(t)
  const alice = await here.connect('alice')
  intercept(t, () => ({ answers: [{ node_id: 'strange', data: 'what?' }], missing: ['other'] }))
  t.match(await alice.request({ type: 'cancel', task_id: 'somewhere' }), { code: 'unavailable' })
  t.match(await here.rest('GET', '/ws/tasks/somewhere', { as: 'alice' }), { status: 503 })
  t.same(await here.app.ws.tasks.list('alice', { cluster: true }), { tasks: [], next: null, complete: false, missing: ['other', 'strange'] })
})

t.test('a task is not cancelled for a caller whose token is revoked while other nodes are asked', async (t) => {
  const [here, there] = await startNodes(t)
  const { task: { task_id: taskId }, signal } = await there.app.ws.tasks.start({ userId: 'alice' })
  const alice = await here.connect('alice', { claims: { jti: 'laptop' } })
  const mobile = await here.connect('alice', { claims: { jti: 'mobile' } })
  /** Revokes a token when its request asks for the task the `times`th time, and holds it up until that has an effect. */
  const revokes = (jti: string, times: number, client: TestClient) => intercept(t, async (kind) => {
    if (kind !== 'task' || --times !== 0) return
    here.app.ws.revoke({ jti })
    await client.closed
  })
  revokes('laptop', 1, alice)
  alice.send({ type: 'cancel', task_id: taskId, id: 1 })
  t.equal((await alice.closed).code, 4401)
  // The route reads the task to know its owner, and then has it cancelled.
  revokes('mobile', 2, mobile)
  const headers = { authorization: `Bearer ${here.token('alice', { jti: 'mobile' })}` }
  t.match(await here.rest('DELETE', `/ws/tasks/${taskId}`, { as: null, headers }), { status: 401 })
  await here.app.ws.getStatus({ cluster: true })
  t.equal(signal.aborted, false)
  t.match(there.app.ws.tasks.get(taskId), { status: 'running' })
})

t.test('a task that ends while another node cancels it is reported as already ended', async (t) => {
  const [here, there] = await startNodes(t)
  const { task } = await there.app.ws.tasks.start({ userId: 'alice' })
  intercept(t, async (kind) => { if (kind === 'cancel task') await there.app.ws.tasks.done(task.task_id) })
  await t.rejects(here.app.ws.tasks.cancel(task.task_id), { code: 'WSM_ERR_ALREADY_SETTLED' })
  t.match(there.app.ws.tasks.get(task.task_id), { status: 'done' })
})

t.test('cancelling a task whose node stops answering or leaves is refused', async (t) => {
  const [here, there] = await startNodes(t)
  const alice = await here.connect('alice')
  const { task: { task_id: taskId } } = await there.app.ws.tasks.start({ userId: 'alice' })
  let missing = ['there']
  intercept(t, (kind) => kind === 'cancel task' ? { answers: [], missing } : undefined)
  t.match(await alice.request({ type: 'cancel', task_id: taskId }), { code: 'unavailable' }, 'it may still run')
  t.equal(alice.count('task_cancelled'), 0)
  missing = []
  t.match(await alice.request({ type: 'cancel', task_id: taskId }), { type: 'error', code: 'not_found' }, 'nobody has it any more')
})
