import { Type } from '@sinclair/typebox'
import t from 'tap'
import { startApp } from '../fixtures/app.js'

const question = { step: 'check', message: 'Go on?' }

t.test('the limit of open questions of a user refuses another, and an ended question makes room', async (t) => {
  const server = await startApp(t, { limits: { maxPendingConfirmationsPerUser: 2 } }, {
    after: ({ ws }) => ws.handle('ask.me', { schema: Type.Object({}) }, (_message, { user }) => ws.notifyUser(question, { userId: user!.id, taskId: 'task' }))
  })
  const { ws } = server.app
  const ask = (userId: string) => ws.notifyUser(question, { userId, taskId: 'task' })
  const asked = [ask('alice'), ask('alice')]
  await t.rejects(ask('alice'), { code: 'WSM_ERR_TOO_MANY_CONFIRMATIONS', statusCode: 429, message: /already has 2 open questions/ })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'ask.me' }), { type: 'error', code: 'too_many_confirmations' }, 'a handler that does not catch it tells the client')
  asked.push(ask('bob'))
  const { callback_id: callbackId } = await client.next('task_step_result')
  await client.request({ type: 'confirm', callback_id: callbackId, proceed: true })
  await asked[0]
  asked.push(ask('alice'))
  await t.rejects(ask('alice'), { code: 'WSM_ERR_TOO_MANY_CONFIRMATIONS' })
  t.equal(ws.getStatus().pending_callbacks, 3)
  t.equal(ws.getStatus().rejected.confirmations, 3)
  await server.app.close()
  await Promise.all(asked)
})

t.test('a question that could not be stored does not count against the limit of open questions', async (t) => {
  const { app: { ws } } = await startApp(t, { limits: { maxPendingConfirmationsPerUser: 1 } })
  await t.rejects(ws.notifyUser({ ...question, message: 5 as never }, { userId: 'alice', taskId: 'task' }), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  const stop = AbortSignal.abort()
  t.match(await ws.notifyUser(question, { userId: 'alice', taskId: 'task', signal: stop }), { outcome: 'aborted' })
  t.match(await ws.notifyUser(question, { userId: 'alice', taskId: 'task', timeoutMs: 1 }), { outcome: 'expired' })
  t.match(await ws.notifyUser(question, { userId: 'alice', taskId: 'task', timeoutMs: 1 }), { outcome: 'expired' })
})
