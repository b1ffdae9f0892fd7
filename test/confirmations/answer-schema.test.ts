import { Type } from '@sinclair/typebox'
import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { askStored, pendingOf } from '../fixtures/questions.js'

const Gpu = Type.Object({ gpu: Type.String(), hours: Type.Optional(Type.Integer({ minimum: 1 })) })

t.test('an answer that fits its schema reaches the asking code, typed', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const { end, id } = await askStored(server, 'alice', { answer: Gpu })
  await alice.request({ type: 'confirm', callback_id: id, proceed: true, answer: { gpu: 'a100', hours: 2 } })
  const { outcome, answer } = await end
  const gpu: string | undefined = outcome === 'confirmed' ? answer.gpu : undefined
  t.equal(gpu, 'a100')
  t.strictSame(answer, { gpu: 'a100', hours: 2 })
  t.match(await server.app.ws.confirmations.get(id), { answer: { gpu: 'a100', hours: 2 } })
})

t.test('an answer that does not match its schema is refused with the place of the fault, by socket and by REST, and can be corrected', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const { end, id } = await askStored(server, 'alice', { answer: Gpu })
  const wrong = [
    { answer: undefined, path: '/answer' },
    { answer: null, path: '/answer' },
    { answer: 'a100', path: '/answer' },
    { answer: {}, path: '/answer/gpu' },
    { answer: { gpu: 5 }, path: '/answer/gpu' },
    { answer: { gpu: 'a100', hours: 0 }, path: '/answer/hours' }
  ]
  for (const { answer, path } of wrong) {
    const error = await alice.request({ type: 'confirm', callback_id: id, proceed: true, answer })
    t.match(error, { type: 'error', code: 'invalid_message', details: [{ path }] }, `${path} by socket`)
    const rest = await server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true, answer } })
    t.match(rest, { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path }] } }, `${path} by REST`)
  }
  t.equal((await pendingOf(server, 'alice')).length, 1)
  t.equal(alice.count('confirmation_closed'), 0)
  await server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true, answer: { gpu: 'h100' } } })
  t.match(await end, { outcome: 'confirmed', answer: { gpu: 'h100' } })
})

t.test('a user who declines need not give an answer that matches the schema', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const { end, id } = await askStored(server, 'alice', { answer: Gpu })
  t.match(await alice.request({ type: 'confirm', callback_id: id, proceed: false }), { type: 'reply' })
  const result = await end
  t.match(result, { outcome: 'declined' })
  t.notOk('answer' in result)
})

t.test('a question without a schema takes any answer', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const { end, id } = await askStored(server, 'alice')
  await alice.request({ type: 'confirm', callback_id: id, proceed: true, answer: ['anything', { at: 'all' }] })
  t.strictSame((await end).answer, ['anything', { at: 'all' }])
})

t.test('a late answer is refused with already_settled, also where it does not match the schema', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const { id } = await askStored(server, 'alice', { answer: Gpu })
  await alice.request({ type: 'confirm', callback_id: id, proceed: false })
  t.match(await alice.request({ type: 'confirm', callback_id: id, proceed: true, answer: 5 }), { code: 'already_settled' })
})

t.test('another user\'s answer is refused with forbidden, without the faults of its schema', async (t) => {
  const server = await startApp(t)
  const bob = await server.connect('bob')
  const { id } = await askStored(server, 'alice', { answer: Gpu })
  const error = await bob.request({ type: 'confirm', callback_id: id, proceed: true, answer: 5 })
  t.match(error, { code: 'forbidden' })
  t.notOk(JSON.stringify(error).includes('gpu'))
})
