import t, { type Test } from 'tap'
import type { StepResult, UserConfirmation } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import type { Frame, TestClient } from '../fixtures/client.js'

/*
 * Row A19: the frames of the AIECS documentation, its browser example and its section on client messages, as they stand
 * there; only the ids are real ones.
 */

const stepResult: StepResult = { step: 'validate', message: 'Go on?', result: { rows: 3 }, completed: true, status: 'completed' }

/** Asks alice; resolves to the question as her socket got it, and to what comes of it. */
async function ask (t: Test, answer: (question: Frame) => object) {
  const server = await startApp(t)
  const client = await server.connect('alice')
  const other = await server.connect('alice')
  const confirmation: Promise<UserConfirmation> = server.app.ws.notifyUser(stepResult, { userId: 'alice', taskId: 'task_456' })
  const question = await client.next('task_step_result')
  client.send(answer(question))
  return { client, other, question, confirmation: await confirmation }
}

t.test('the heartbeat of the AIECS browser example is answered', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true } })
  const clients: TestClient[] = [await server.connect('alice'), await server.connect('nobody', { token: null })]
  for (const client of clients) {
    const timestamp = Date.now()
    client.send({ action: 'ping', timestamp })
    t.match(await client.next('pong'), { timestamp, server_time: Number })
    t.equal(client.count('error'), 0)
  }
})

t.test('the AIECS browser example can answer a question', async (t) => {
  for (const [proceed, feedback] of [[true, 'Agree to continue'], [false, 'Cancel execution']] as const) {
    const { client, other, question, confirmation } = await ask(t, ({ callback_id }) => ({ action: 'confirm', callback_id, proceed, feedback }))
    t.match(question, { type: 'task_step_result', message: 'Go on?', callback_id: String }, 'what the example reads is there')
    t.match(question, {
      step: 'validate', result: { rows: 3 }, status: 'completed', error_code: null, error_message: null, user_id: 'alice', task_id: 'task_456', timestamp: Number
    })
    t.match(confirmation, { proceed, feedback, outcome: proceed ? 'confirmed' : 'declined', answered_by: { user_id: 'alice', client_id: client.id } })
    for (const socket of [client, other]) t.match(await socket.next('confirmation_closed'), { callback_id: question.callback_id, proceed })
    t.equal(client.count('error'), 0)
  }
})

t.test('the documented AIECS confirmation is accepted only from the user who was asked', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const alice = await server.connect('user_123')
  const mallory = await server.connect('mallory')
  const confirmation = ws.notifyUser(stepResult, { userId: 'user_123', taskId: 'task_456' })
  const { callback_id } = await alice.next('task_step_result')
  const frame = { action: 'confirm', callback_id, proceed: true, feedback: 'Agree to continue execution' }
  mallory.send(frame)
  t.match(await mallory.next('error'), { type: 'error' })
  t.match(await ws.confirmations.get(callback_id), { status: 'pending' })
  alice.send(frame)
  t.match(await confirmation, { proceed: true, feedback: 'Agree to continue execution', outcome: 'confirmed' })
})

t.test('the documented AIECS cancellation stops the task and notifies its user', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const client = await server.connect('user_123')
  const bystander = await server.connect('somebody')
  const { signal } = await ws.tasks.start({ userId: 'user_123', taskId: 'task_456' })
  const confirmation = ws.notifyUser(stepResult, { userId: 'user_123', taskId: 'task_456' })
  await client.next('task_step_result')
  client.send({ action: 'cancel', user_id: 'user_123', task_id: 'task_456' })
  t.match(await client.next('task_cancelled'), { user_id: 'user_123', task_id: 'task_456' })
  t.equal(signal.aborted, true)
  t.match(await confirmation, { proceed: false, outcome: 'cancelled' })
  await bystander.settled()
  t.equal(bystander.count('task_cancelled'), 0, 'there everybody hears of it')
})

t.test('the documented AIECS notifications are sent unchanged, and its progress as that of a task', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const client = await server.connect('user_123')
  const bystander = await server.connect('somebody')
  const notification = { type: 'system_notification', message: 'System will undergo maintenance in 5 minutes', timestamp: 1, severity: 'warning' }
  await ws.broadcast(notification)
  for (const socket of [client, bystander]) t.match(await socket.next('system_notification'), notification)
  await ws.sendToUser('user_123', { type: 'personal_notification', message: 'Your task has been completed', task_id: 'task_456' })
  t.match(await client.next('personal_notification'), { task_id: 'task_456' })

  const update = { type: 'task_progress', task_id: 'task_123', progress: 75, message: 'Task execution progress 75%', timestamp: 1 }
  await t.rejects(ws.broadcast(update), { code: 'WSM_ERR_INVALID_ARGUMENT', details: [{ path: '/type' }] }, 'it would pose as the server')
  await ws.tasks.start({ userId: 'user_123', taskId: 'task_123', title: 'Training' })
  await ws.tasks.progress('task_123', 75, 'Task execution progress 75%')
  t.match(await client.next('task_progress'), { task_id: 'task_123', user_id: 'user_123', progress: 0 })
  t.match(await client.next('task_progress'), { task_id: 'task_123', progress: 75, message: 'Task execution progress 75%', title: 'Training', status: 'running' })
  await bystander.settled()
  t.equal(bystander.count('task_progress'), 0, 'there everybody hears of it')
})

t.test('an AIECS subscribe by action is accepted for the client\'s own user', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('user_123')
  client.send({ action: 'subscribe', user_id: 'user_123' })
  t.match(await client.next('subscription_confirmed'), { user_id: 'user_123' })
})

t.test('an unknown AIECS action and invalid JSON are answered with an error, and the socket stays open', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('user_123')
  client.send({ action: 'dance' })
  t.match(await client.next('error'), { code: 'unknown_type', message: /"dance"/ })
  client.socket.send('{action: ping}')
  t.match(await client.next('error'), { code: 'bad_json' })
  client.send({ action: 'ping', timestamp: 1 })
  t.match(await client.next('pong'), { timestamp: 1 })
})
