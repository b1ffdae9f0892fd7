import { getEventListeners } from 'node:events'
import t from 'tap'
import type { AskOptions, UserConfirmation, WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { ask, askStored, pendingOf } from '../fixtures/questions.js'
import type { TestClient } from '../fixtures/client.js'

interface Ending {
  options?: WsPluginOptions
  question?: Partial<AskOptions>
  /** Makes it end; nothing where time does. */
  end?: (server: TestApp, id: string, client: TestClient) => unknown
  result: Partial<UserConfirmation>
}

const controller = new AbortController()

const endings: Record<string, Ending> = {
  'nobody answers in time: by default the work does not go on': {
    question: { timeoutMs: 30 },
    result: { outcome: 'expired', proceed: false }
  },
  'nobody answers in time: the question says go on': {
    question: { timeoutMs: 30, onTimeout: 'proceed' },
    result: { outcome: 'expired', proceed: true }
  },
  'nobody answers in time: the question says stop where the options say go on': {
    options: { confirmations: { timeoutMs: 30, onTimeout: 'proceed' } },
    question: { onTimeout: 'cancel' },
    result: { outcome: 'expired', proceed: false }
  },
  'nobody answers in time: the options say go on': {
    options: { confirmations: { timeoutMs: 30, onTimeout: 'proceed' } },
    result: { outcome: 'expired', proceed: true }
  },
  'nobody answers in time: the question says go on where the options say stop': {
    options: { confirmations: { timeoutMs: 30, onTimeout: 'cancel' } },
    question: { onTimeout: 'proceed' },
    result: { outcome: 'expired', proceed: true }
  },
  'the app takes it back': {
    end: ({ app }, id) => app.ws.confirmations.cancel(id, 'not needed any more'),
    result: { outcome: 'cancelled', proceed: false, feedback: 'not needed any more' }
  },
  'its user takes it back by REST': {
    end: (server, id) => server.rest('DELETE', `/ws/confirmations/${id}?reason=no`, { as: 'alice' }),
    result: { outcome: 'cancelled', proceed: false, feedback: 'no' }
  },
  'an administrator takes it back by REST': {
    end: (server, id) => server.rest('DELETE', `/ws/confirmations/${id}`, { as: 'admin' }),
    result: { outcome: 'cancelled', proceed: false }
  },
  'its user cancels the task': {
    end: (_server, _id, client) => client.request({ type: 'cancel', task_id: 'task-1' }),
    result: { outcome: 'cancelled', proceed: false }
  },
  'the asking code\'s signal fires': {
    question: { signal: controller.signal },
    end: () => controller.abort(),
    result: { outcome: 'aborted', proceed: false }
  }
}

for (const [name, { options, question, end, result }] of Object.entries(endings)) {
  t.test(name, async (t) => {
    const server = await startApp(t, options)
    const clients = await Promise.all([server.connect('alice'), server.connect('alice')])
    const settled: string[] = []
    server.app.ws.on('confirmation_settled', ({ confirmation }) => { settled.push(confirmation.callback_id) })
    const asked = await askStored(server, 'alice', question)
    for (const client of clients) await client.next('task_step_result')
    await end?.(server, asked.id, clients[0])
    t.strictSame(await asked.end, { callback_id: asked.id, ...result })
    const { outcome, proceed } = result
    for (const client of clients) {
      t.strictSame(await client.next('confirmation_closed'), {
        type: 'confirmation_closed', callback_id: asked.id, task_id: 'task-1', outcome, proceed, answered_by: null
      })
    }
    t.match(await server.app.ws.confirmations.get(asked.id), { status: outcome, proceed, answered_by: null })
    t.same(await pendingOf(server, 'alice'), [])
    const late = await clients[1].request({ type: 'confirm', callback_id: asked.id, proceed: true })
    t.match(late, { code: 'already_settled', details: { outcome, proceed, answered_by: null } })
    await t.rejects(server.app.ws.confirmations.cancel(asked.id), { code: 'WSM_ERR_ALREADY_SETTLED', details: { outcome } })
    t.strictSame(settled, [asked.id])
  })
}

t.test('a closing server ends a question as closed for the asking code and the sockets, before the sockets close', async (t) => {
  const server: TestApp = await startApp(t, {}, {
    after: (app) => {
      app.addHook('onClose', async () => { t.match(await ask(server, 'alice'), { outcome: 'closed', proceed: false }, 'a question to a closing server ends at once') })
    }
  })
  const alice = await server.connect('alice')
  const { end, id } = await askStored(server, 'alice')
  await alice.next('task_step_result')
  const closing = server.app.close()
  t.strictSame(await end, { proceed: false, outcome: 'closed', callback_id: id })
  t.equal((await alice.closed).code, 1001)
  t.match(alice.received.at(-1), { type: 'reconnect' })
  t.match(alice.received.at(-2), { type: 'confirmation_closed', callback_id: id, outcome: 'closed', proceed: false, answered_by: null })
  await closing
  t.equal(server.app.ws.getStatus().pending_callbacks, 0)
})

t.test('a closing server ends a question with its task\'s signal as closed, not aborted', async (t) => {
  const server = await startApp(t)
  const { task, signal } = await server.app.ws.tasks.start({ userId: 'alice' })
  const { end } = await askStored(server, 'alice', { taskId: task.task_id, signal })
  await server.app.close()
  t.ok(signal.aborted)
  t.match(await end, { outcome: 'closed' })
})

t.test('a cancelled task ends a question with its signal as cancelled, not aborted', async (t) => {
  const server = await startApp(t)
  const { task, signal } = await server.app.ws.tasks.start({ userId: 'alice' })
  const { end } = await askStored(server, 'alice', { taskId: task.task_id, signal })
  await server.app.ws.tasks.cancel(task.task_id)
  t.ok(signal.aborted)
  t.match(await end, { outcome: 'cancelled' })
})

t.test('a question whose signal has already fired reaches nobody', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  t.match(await ask(server, 'alice', { signal: AbortSignal.abort() }), { outcome: 'aborted', proceed: false, callback_id: String })
  await alice.settled()
  t.equal(alice.count('task_step_result'), 0)
  t.equal(alice.count('confirmation_closed'), 0)
  t.same((await server.app.ws.confirmations.list()).confirmations, [])
})

t.test('a signal that fires in the turn of the question leaves no client with an ended question', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const controller = new AbortController()
  const end = ask(server, 'alice', { signal: controller.signal })
  controller.abort()
  t.match(await end, { outcome: 'aborted' })
  await alice.settled()
  const open = new Set<string>()
  for (const { type, callback_id: id } of alice.received) {
    if (type === 'task_step_result') open.add(id)
    if (type === 'confirmation_closed') open.delete(id)
  }
  t.equal(open.size, 0)
})

t.test('a question removes its listener from the signal, however it ends', async (t) => {
  const server = await startApp(t)
  const controller = new AbortController()
  const { end, id } = await askStored(server, 'alice', { signal: controller.signal })
  t.equal(getEventListeners(controller.signal, 'abort').length, 1)
  await server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true } })
  t.match(await end, { outcome: 'confirmed' })
  t.equal(getEventListeners(controller.signal, 'abort').length, 0)
  controller.abort()
  t.match(await server.app.ws.confirmations.get(id), { status: 'confirmed' })
})

t.test('a signal that cannot be listened to does not count against the user\'s limit of open questions', async (t) => {
  const { app: { ws } } = await startApp(t, { limits: { maxPendingConfirmationsPerUser: 1 } })
  const fails = () => { throw new Error('a signal of its own kind') }
  const signal = { aborted: false, addEventListener: fails, removeEventListener: fails } as unknown as AbortSignal
  const step = { step: 1, message: 'Go on?' }
  for (let n = 0; n < 2; n++) {
    await t.rejects(ws.notifyUser(step, { userId: 'alice', taskId: 'task', signal }), { message: 'a signal of its own kind' })
    await t.rejects(ws.confirmations.wait('nothing', { signal }), { message: 'a signal of its own kind' })
  }
  await t.rejects(ws.notifyUser(step, { userId: 'alice', taskId: 'task', signal: { aborted: false, addEventListener () {} } as never }), {
    code: 'WSM_ERR_INVALID_ARGUMENT', message: /options\.signal/
  })
  const stop = new AbortController()
  const asked = ws.notifyUser(step, { userId: 'alice', taskId: 'task', signal: stop.signal })
  stop.abort()
  t.match(await asked, { outcome: 'aborted' })
})

t.test('cancelling a task cancels its questions to its user, and no others', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const own = [await askStored(server, 'alice'), await askStored(server, 'alice')]
  const otherTask = await askStored(server, 'alice', { taskId: 'task-2' })
  const otherUser = await askStored(server, 'bob')
  await alice.request({ type: 'cancel', task_id: 'task-1' })
  for (const { end } of own) t.match(await end, { outcome: 'cancelled' })
  for (const { id } of [otherTask, otherUser]) t.match(await server.app.ws.confirmations.get(id), { status: 'pending' })
})

t.test('only its user and callers with permission can cancel a question', async (t) => {
  const server = await startApp(t)
  const { id } = await askStored(server, 'alice')
  t.match(await server.rest('DELETE', `/ws/confirmations/${id}`, { as: 'bob' }), { status: 403, body: { code: 'WSM_ERR_FORBIDDEN' } })
  t.match(await server.app.ws.confirmations.get(id), { status: 'pending' })
})

t.test('a question ends although a listener of confirmation_settled throws', async (t) => {
  const server = await startApp(t)
  server.app.ws.on('confirmation_settled', () => { throw new Error('a mistake of the app') })
  const { end, id } = await askStored(server, 'alice')
  await server.app.ws.confirmations.cancel(id)
  t.match(await end, { outcome: 'cancelled' })
  t.match(server.logs.find(({ msg }) => msg === 'a listener failed'), { event: 'confirmation_settled' })
})
