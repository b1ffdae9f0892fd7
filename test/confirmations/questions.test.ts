import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { AskOptions, StepResult } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { pendingOf, timerCount } from '../fixtures/questions.js'

t.test('a question has the fields of a task_step_result', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const before = Date.now()
  const result = { step: 3, message: 'Retry?', result: { rows: [1, 2] }, completed: true, status: 'failed', error_code: 'E003', error_message: 'no disk' }
  server.app.ws.notifyUser(result, { userId: 'alice', taskId: 'task-1', timeoutMs: 9_000, onTimeout: 'cancel', answer: Type.Object({ gpu: Type.String() }) })
  const question = await alice.next('task_step_result')
  t.strictSame(question, {
    type: 'task_step_result',
    callback_id: question.callback_id,
    ...result,
    user_id: 'alice',
    task_id: 'task-1',
    timestamp: question.timestamp,
    expires_at: question.timestamp + 9_000,
    on_timeout: 'cancel',
    answer_schema: { type: 'object', properties: { gpu: { type: 'string' } }, required: ['gpu'] }
  })
  t.match(question.callback_id, /^[\da-f-]{36}$/)
  t.ok(question.timestamp >= before && question.timestamp <= Date.now())
})

t.test('fields of a result that no question of a step has are ignored, also those of a question of a kind', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  server.app.ws.notifyUser({ message: 'Go on?', step: 1, kind: 'no namespace', data: 1n, more: true } as StepResult, { userId: 'alice', taskId: 'task-1' })
  const frame = await alice.next('task_step_result')
  t.strictSame(['kind', 'data', 'more'].filter((field) => field in frame), [])
})

t.test('fields that a question leaves out are null, or the default of the options', async (t) => {
  const server = await startApp(t, { confirmations: { timeoutMs: 7_000, onTimeout: 'cancel' } })
  const alice = await server.connect('alice')
  server.app.ws.notifyUser({ message: 'Go on?' }, { userId: 'alice', taskId: 'task-1', step: 'by option' })
  const question = await alice.next('task_step_result')
  t.match(question, {
    step: 'by option', result: null, completed: false, status: null, error_code: null, error_message: null, on_timeout: 'cancel'
  })
  t.equal(question.expires_at - question.timestamp, 7_000)
  t.notOk('answer_schema' in question)
})

t.test('the step of a question\'s options overrides the step of its result', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  server.app.ws.notifyUser({ message: 'Go on?', step: 'result' }, { userId: 'alice', taskId: 'task-1', step: 0 })
  t.equal((await alice.next('task_step_result')).step, 0)
})

t.test('a question whose result the app changes later is sent again as it was asked', async (t) => {
  const server = await startApp(t)
  const result = { step: 1, message: 'Go on?', result: { rows: 1 as unknown } }
  server.app.ws.notifyUser(result, { userId: 'alice', taskId: 'task-1' })
  result.result.rows = 2n
  const alice = await server.connect('alice')
  t.same((await alice.next('task_step_result')).result, { rows: 1 })
  t.match((await server.rest('GET', '/ws/confirmations', { as: 'alice' })).body.confirmations, [{ question: { result: { rows: 1 } } }])
})

const cycle: Record<string, unknown> = {}
cycle.self = cycle

// Each is what a caller without types, or with a mistake in the data, hands over.
const bad: Record<string, { result?: object, options?: object, says: RegExp }> = {
  'no step': { result: { message: 'Go on?' }, says: /^ws\.notifyUser\(\): result\.step: / },
  'a step that is an object': { result: { step: {}, message: 'Go on?' }, says: /^ws\.notifyUser\(\): result\.step: / },
  'a step that is NaN': { result: { step: NaN, message: 'Go on?' }, says: /^ws\.notifyUser\(\): result\.step: / },
  'no message': { result: { step: 1 }, says: /^ws\.notifyUser\(\): result\.message: / },
  'a message that is no string': { result: { step: 1, message: 4 }, says: /^ws\.notifyUser\(\): result\.message: / },
  'a status that is no string': { result: { step: 1, message: 'Go on?', status: 5 }, says: /^ws\.notifyUser\(\): result\.status: / },
  'a result with a cycle': { result: { step: 1, message: 'Go on?', result: cycle }, says: /circular/ },
  'a result with a BigInt': { result: { step: 1, message: 'Go on?', result: { rows: 2n } }, says: /BigInt/ },
  'a result that is a function': { result: { step: 1, message: 'Go on?', result: () => {} }, says: /^ws\.notifyUser\(\): / },
  'no user': { options: { userId: undefined }, says: /^ws\.notifyUser\(\): options\.userId: / },
  'an empty user': { options: { userId: '' }, says: /^ws\.notifyUser\(\): options\.userId: / },
  'a user that is a number': { options: { userId: 7 }, says: /^ws\.notifyUser\(\): options\.userId: / },
  'no task': { options: { taskId: undefined }, says: /^ws\.notifyUser\(\): options\.taskId: / },
  'an unknown onTimeout': { options: { onTimeout: 'continue' }, says: /^ws\.notifyUser\(\): options\.onTimeout: / },
  'no time': { options: { timeoutMs: 0 }, says: /^ws\.notifyUser\(\): options\.timeoutMs: / },
  'a time below nothing': { options: { timeoutMs: -1 }, says: /^ws\.notifyUser\(\): options\.timeoutMs: / },
  'a time that is NaN': { options: { timeoutMs: NaN }, says: /^ws\.notifyUser\(\): options\.timeoutMs: / },
  'for ever, which a timer would take for at once': { options: { timeoutMs: Infinity }, says: /^ws\.notifyUser\(\): options\.timeoutMs: / },
  'thirty days, which a timer would take for at once': { options: { timeoutMs: 30 * 86_400_000 }, says: /^ws\.notifyUser\(\): options\.timeoutMs: / },
  'a JSON Schema that cannot be checked': { options: { answer: { type: 'objekt' } }, says: /answer schema has the type objekt, which JSON Schema does not know: did you mean "object"\?$/ }
}

t.test('an invalid question is refused with the name of its fault, reaches nobody, and leaves nothing behind', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const alice = await server.connect('alice')
  const controller = new AbortController()
  const timers = timerCount()
  for (const [name, { result, options, says }] of Object.entries(bad)) {
    const step = (result ?? { step: 1, message: 'Go on?' }) as StepResult
    const asked = ws.notifyUser(step, { userId: 'alice', taskId: 'task-1', signal: controller.signal, ...options } as AskOptions)
    await t.rejects(asked, { code: 'WSM_ERR_INVALID_ARGUMENT', statusCode: 500, message: says }, name)
  }
  t.equal(timerCount(), timers)
  t.equal(ws.getStatus().pending_callbacks, 0)
  t.same(await pendingOf(server, 'alice'), [])
  await alice.settled()
  t.equal(alice.count('task_step_result'), 0)
  t.match(await (await server.connect('alice')).request({ type: 'ping' }), { type: 'reply' }, 'the user can still connect')
})
