import t from 'tap'
import { startApp } from '../../fixtures/app.js'

t.test('an anonymous socket cannot confirm, cancel or subscribe as a user', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true } })
  const { ws } = server.app
  const { task } = await ws.tasks.start({ userId: 'alice' })
  const waiting = ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: task.task_id })
  const { confirmations: [question] } = await ws.confirmations.list({ userId: 'alice' })
  const client = await server.connect('nobody', { token: null })
  t.match(await client.request({ type: 'confirm', callback_id: question!.callback_id, proceed: true }), { code: 'unauthorized' })
  t.match(await client.request({ type: 'cancel', task_id: task.task_id }), { code: 'unauthorized' })
  t.match(await client.request({ type: 'cancel', task_id: task.task_id, user_id: 'alice' }), { code: 'unauthorized' })
  t.match(await client.request({ type: 'subscribe', user_id: 'alice' }), { code: 'forbidden' })
  t.match(ws.tasks.get(task.task_id), { status: 'running' })
  t.match(await ws.confirmations.get(question!.callback_id), { status: 'pending' })
  await ws.confirmations.cancel(question!.callback_id)
  t.match(await waiting, { outcome: 'cancelled' })
})
