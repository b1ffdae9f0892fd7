import t from 'tap'
import type { Connection } from '../../lib/socket/connection.js'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { memoryOptions } from '../fixtures/memory.js'
import { nodeOn } from '../fixtures/node.js'
import { until } from '../fixtures/until.js'
import { startApp } from '../fixtures/app.js'
import { ask, askStored, pendingOf } from '../fixtures/questions.js'

t.test('a question reaches every socket of its user and no other socket', async (t) => {
  const server = await startApp(t)
  const [first, second, bob, admin] = await Promise.all([
    server.connect('alice'), server.connect('alice'), server.connect('bob'), server.connect('admin', { claims: { roles: ['ws:admin'] } })
  ])
  const { id } = await askStored(server, 'alice')
  for (const client of [first, second]) t.equal((await client.next('task_step_result')).callback_id, id)
  for (const client of [bob, admin]) {
    await client.settled()
    t.equal(client.count('task_step_result'), 0)
  }
})

t.test('the end of a question reaches no other user', async (t) => {
  const server = await startApp(t)
  const [alice, bob] = await Promise.all([server.connect('alice'), server.connect('bob')])
  const { id } = await askStored(server, 'alice')
  await alice.request({ type: 'confirm', callback_id: id, proceed: true })
  t.equal(alice.count('confirmation_closed'), 1)
  await bob.settled()
  t.equal(bob.count('confirmation_closed'), 0)
})

t.test('a user who was away gets the open question on connecting, right behind the connection frame', async (t) => {
  const server = await startApp(t)
  const { end, id } = await askStored(server, 'alice')
  const alice = await server.dial('alice').opened()
  t.equal((await alice.next()).type, 'connection')
  t.match(await alice.next(), { type: 'task_step_result', callback_id: id })
  alice.send({ type: 'confirm', callback_id: id, proceed: true })
  t.match(await end, { outcome: 'confirmed' })
})

t.test('open questions that exceed a socket\'s queue are sent as the socket reads them', async (t) => {
  const server = await startApp(t, { limits: { maxQueueBytes: 100_000 } })
  const ids = new Set<string>()
  for (let n = 0; n < 40; n++) {
    server.app.ws.notifyUser({ step: n, message: 'x'.repeat(50_000) }, { userId: 'alice', taskId: 'task-1' })
    ids.add((await pendingOf(server, 'alice')).at(-1)!.callback_id)
  }
  const alice = server.dial('alice')
  for (let n = 0; n < 40; n++) ids.delete((await alice.next('task_step_result')).callback_id)
  t.equal(ids.size, 0)
  t.equal(server.app.ws.getStatus().slow_disconnects, 0)
})

t.test('each new connection gets an open question once, until the question has ended', async (t) => {
  const server = await startApp(t)
  const first = await server.connect('alice')
  const { end, id } = await askStored(server, 'alice')
  await first.next('task_step_result')
  await first.close()
  const [second, third] = [await server.connect('alice'), await server.connect('alice')]
  for (const client of [second, third]) {
    t.equal((await client.next('task_step_result')).callback_id, id)
    await client.settled()
    t.equal(client.count('task_step_result'), 1)
  }
  second.send({ type: 'confirm', callback_id: id, proceed: true })
  await end
  const fourth = await server.connect('alice')
  await fourth.settled()
  t.equal(fourth.count('task_step_result'), 0)
  t.equal(fourth.count('confirmation_closed'), 0)
})

t.test('a socket that switches to a user gets their open questions, and one that switches away does not', async (t) => {
  const server = await startApp(t)
  const socket = await server.connect('bob')
  const { id } = await askStored(server, 'alice')
  await socket.settled()
  t.equal(socket.count('task_step_result'), 0)

  await socket.request({ type: 'change_user', token: server.token('alice') })
  t.equal((await socket.next('task_step_result')).callback_id, id)

  await socket.request({ type: 'change_user', token: server.token('bob') })
  const other = await askStored(server, 'alice')
  await server.app.ws.confirmations.cancel(id)
  await socket.settled()
  t.equal(socket.count('task_step_result'), 1)
  t.equal(socket.count('confirmation_closed'), 0)
  t.match(await socket.request({ type: 'confirm', callback_id: other.id, proceed: true }), { type: 'error', code: 'forbidden' })

  await server.app.ws.confirmations.cancel(other.id)
  await socket.request({ type: 'change_user', token: server.token('alice') })
  await socket.settled()
  t.equal(socket.count('task_step_result'), 1, 'no ended question is sent again')
})

t.test('a socket that authenticates by its first frame gets open questions then, and none before', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true } })
  const { id } = await askStored(server, 'alice')
  const socket = await server.dial('alice', { token: null }).opened()
  await socket.settled()
  t.equal(socket.count('task_step_result'), 0)
  await socket.request({ type: 'auth', token: server.token('alice') })
  t.equal((await socket.next('task_step_result')).callback_id, id)
})

t.test('an anonymous socket gets no question', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true } })
  await askStored(server, 'alice')
  const nobody = await server.connect('nobody', { token: null })
  await nobody.settled()
  t.equal(nobody.count('task_step_result'), 0)
})

t.test('a thousand questions for a user who is away arrive in the order they were asked, and all can be answered', async (t) => {
  const server = await startApp(t)
  const steps = Array.from({ length: 1_000 }, (_, step) => step)
  const ends = steps.map((step) => ask(server, 'alice', { step, taskId: `task-${step}` }))
  t.equal(server.app.ws.getStatus().pending_callbacks, 1_000)
  const alice = await server.connect('alice')
  for (const step of steps) {
    const question = await alice.next('task_step_result')
    if (question.step !== step) throw new Error(`step ${step} was expected, ${question.step} came`)
    await alice.request({ type: 'confirm', callback_id: question.callback_id, proceed: step % 2 === 0, feedback: String(step) })
  }
  const results = await Promise.all(ends)
  t.ok(results.every(({ proceed, feedback }, step) => proceed === (step % 2 === 0) && feedback === String(step)), 'each got its own answer')
  t.equal(server.app.ws.getStatus().pending_callbacks, 0)
  t.same(await pendingOf(server, 'alice'), [])
  await alice.settled()
  t.equal(alice.count('confirmation_closed'), 1_000)
  t.equal(alice.count('error'), 0)
})

t.test('all open questions are sent again, however many, and cancelled with their task', async (t) => {
  const server = await startApp(t)
  const ends = Array.from({ length: 230 }, (_, n) => ask(server, 'alice', { step: n }))
  const alice = await server.connect('alice')
  await until(() => alice.count('task_step_result') === 230)
  t.equal(new Set(alice.received.filter(({ type }) => type === 'task_step_result').map(({ step }) => step)).size, 230)
  await server.app.ws.tasks.cancel('task-1', { userId: 'alice' })
  for (const { outcome } of await Promise.all(ends)) t.equal(outcome, 'cancelled')
})

t.test('a socket that ends or switches users during redelivery gets no more questions', async (t) => {
  const engine = new MemoryEngine(memoryOptions())
  const { node: { confirmations } } = nodeOn(engine, { limits: { maxPendingConfirmationsPerUser: 1_000 } })
  const ends = Array.from({ length: 150 }, () => confirmations.notify({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task-1' }))
  const sentTo = async (end: (connection: { isOpen: boolean, user: object }) => void) => {
    let sent = 0
    const connection = { isOpen: true, user: { id: 'alice' } as object, send: () => { if (++sent === 100) end(connection) } }
    await confirmations.redeliver(connection as unknown as Connection)
    return sent
  }
  t.equal(await sentTo(() => {}), 150)
  t.equal(await sentTo((connection) => { connection.isOpen = false }), 100)
  t.equal(await sentTo((connection) => { connection.user = { id: 'bob' } }), 100)
  t.equal(await sentTo((connection) => { connection.user = null as never }), 100)
  await confirmations.close()
  await Promise.all(ends)
  await engine.close()
})
