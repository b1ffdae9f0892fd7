import { Type } from '@sinclair/typebox'
import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { ask, askStored, pendingOf } from '../fixtures/questions.js'

t.test('any socket of the user can answer, and the asking code learns which one did', async (t) => {
  const server = await startApp(t)
  const [first, second] = await Promise.all([server.connect('alice'), server.connect('alice')])
  const { end, id } = await askStored(server, 'alice')
  const reply = await second.request({ type: 'confirm', callback_id: id, proceed: true, feedback: 'go on' })
  const answeredBy = { user_id: 'alice', client_id: second.id }
  t.strictSame(reply.data, { callback_id: id, outcome: 'confirmed', proceed: true, answered_by: answeredBy })
  t.strictSame(await end, { proceed: true, feedback: 'go on', outcome: 'confirmed', answered_by: answeredBy, callback_id: id })
  for (const client of [first, second]) {
    t.strictSame(await client.next('confirmation_closed'), {
      type: 'confirmation_closed', callback_id: id, task_id: 'task-1', outcome: 'confirmed', proceed: true, answered_by: answeredBy
    })
  }
})

t.test('a user can decline a question', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const { end, id } = await askStored(server, 'alice', { onTimeout: 'proceed' })
  alice.send({ action: 'confirm', callback_id: id, proceed: false })
  t.strictSame(await end, { proceed: false, outcome: 'declined', answered_by: { user_id: 'alice', client_id: alice.id }, callback_id: id })
  t.match(await alice.next('confirmation_closed'), { outcome: 'declined', proceed: false })
})

t.test('a user can answer a question by REST, and their sockets get confirmation_closed', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const { end, id } = await askStored(server, 'alice')
  const answered = await server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true, feedback: 'by phone' } })
  t.equal(answered.status, 200)
  t.match(answered.body, {
    callback_id: id, status: 'confirmed', proceed: true, feedback: 'by phone', answered_by: { user_id: 'alice', client_id: null }, question: { message: 'Go on?' }
  })
  t.match(await end, { outcome: 'confirmed', feedback: 'by phone', answered_by: { user_id: 'alice', client_id: null } })
  t.match(await alice.next('confirmation_closed'), { callback_id: id, answered_by: { user_id: 'alice', client_id: null } })
})

t.test('another user cannot answer a question, not even an administrator, and it stays open', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true } })
  const { end, id } = await askStored(server, 'alice')
  const bob = await server.connect('bob')
  const admin = await server.connect('admin', { claims: { roles: ['ws:admin'] } })
  for (const client of [bob, admin]) {
    t.match(await client.request({ type: 'confirm', callback_id: id, proceed: false }), { type: 'error', code: 'forbidden' })
  }
  const nobody = await server.connect('nobody', { token: null })
  t.match(await nobody.request({ type: 'confirm', callback_id: id, proceed: false }), { type: 'error', code: 'unauthorized' })
  for (const as of ['bob', 'admin']) {
    const answer = await server.rest('POST', `/ws/confirmations/${id}`, { as, body: { proceed: false } })
    t.match(answer, { status: 403, body: { code: 'WSM_ERR_FORBIDDEN' } }, as)
  }
  t.equal((await server.rest('POST', `/ws/confirmations/${id}`, { as: null, body: { proceed: false } })).status, 401)
  t.match(await pendingOf(server, 'alice'), [{ callback_id: id, status: 'pending', answered_by: null }])

  const alice = await server.connect('alice')
  await alice.request({ type: 'confirm', callback_id: id, proceed: true })
  t.match(await end, { proceed: true, answered_by: { user_id: 'alice' } })
  t.match(await bob.request({ type: 'confirm', callback_id: id, proceed: false }), { code: 'forbidden' }, 'nor learn how it ended')
})

t.test('the first answer wins, and every later one is refused with who won', async (t) => {
  const server = await startApp(t)
  const [winner, late] = await Promise.all([server.connect('alice'), server.connect('alice')])
  const { id } = await askStored(server, 'alice')
  await winner.request({ type: 'confirm', callback_id: id, proceed: true })
  const { settled_at: settledAt } = (await server.app.ws.confirmations.get(id))!
  const details = { callback_id: id, outcome: 'confirmed', proceed: true, answered_by: { user_id: 'alice', client_id: winner.id }, settled_at: settledAt }

  const bySocket = await late.request({ type: 'confirm', callback_id: id, proceed: false })
  t.match(bySocket, { type: 'error', code: 'already_settled' })
  t.strictSame(bySocket.details, details)
  const again = await winner.request({ type: 'confirm', callback_id: id, proceed: true })
  t.strictSame(again.details, details, 'also the winner itself')
  const byRest = await server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: false } })
  t.match(byRest, { status: 409, body: { statusCode: 409, code: 'WSM_ERR_ALREADY_SETTLED', error: 'Conflict' } })
  t.strictSame(byRest.body.details, details)
  const byApp = server.app.ws.confirmations.answer(id, { proceed: false }, { user_id: 'alice', client_id: null })
  await t.rejects(byApp, { code: 'WSM_ERR_ALREADY_SETTLED', details })

  await late.settled()
  t.equal(late.count('confirmation_closed'), 1)
  t.match(await server.app.ws.confirmations.get(id), { status: 'confirmed', proceed: true })
})

t.test('exactly one of two hundred simultaneous answers wins, by sockets and REST', async (t) => {
  const server = await startApp(t)
  const clients = await Promise.all(Array.from({ length: 100 }, () => server.connect('alice')))
  const settled: unknown[] = []
  server.app.ws.on('confirmation_settled', ({ confirmation }) => { settled.push(confirmation.feedback) })
  const { end, id } = await askStored(server, 'alice')
  const answers = await Promise.all(clients.flatMap((client, index) => [
    client.request({ type: 'confirm', callback_id: id, proceed: index % 2 === 0, feedback: `socket ${index}` })
      .then(({ type, data, details }) => ({ won: type === 'reply', by: `socket ${index}`, told: data ?? details })),
    server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: index % 2 === 1, feedback: `rest ${index}` } })
      .then(({ status, body }) => ({ won: status === 200, by: `rest ${index}`, told: status === 200 ? { ...body, outcome: body.status } : body.details }))
  ]))
  const { proceed, feedback, outcome, answered_by: answeredBy } = await end
  t.strictSame(answers.filter(({ won }) => won).map(({ by }) => by), [feedback])
  t.strictSame(settled, [feedback])
  const told = answers.map((answer) => answer.told)
  t.equal(told.length, 200)
  t.ok(told.every((said) => said.outcome === outcome && said.proceed === proceed), 'everybody is told the same outcome')
  for (const said of told) t.strictSame(said.answered_by, answeredBy)
  for (const client of clients) {
    await client.settled()
    const closed = client.received.filter(({ type }) => type === 'confirmation_closed')
    t.match(closed, [{ callback_id: id, outcome, proceed, answered_by: answeredBy }])
    t.equal(closed.length, 1)
  }
})

t.test('get gives null for a question that does not exist; answer and cancel reject with not_found', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  t.match(await alice.request({ type: 'confirm', callback_id: 'nothing', proceed: true }), { type: 'error', code: 'not_found' })
  const { confirmations } = server.app.ws
  t.equal(await confirmations.get('nothing'), null)
  t.equal((await server.rest('GET', '/ws/confirmations/nothing', { as: 'alice' })).status, 404)
  await t.rejects(confirmations.cancel('nothing'), { code: 'WSM_ERR_NOT_FOUND' })
  await t.rejects(confirmations.answer('nothing', { proceed: true }, { user_id: 'alice', client_id: null }), { code: 'WSM_ERR_NOT_FOUND' })
})

t.test('an answer of the wrong shape leaves the question open', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const { end, id } = await askStored(server, 'alice')
  for (const wrong of [{}, { proceed: 'yes' }, { proceed: null }, { proceed: true, feedback: 5 }, { proceed: true, user_id: 'alice' }]) {
    const error = await alice.request({ type: 'confirm', callback_id: id, ...wrong })
    t.match(error, { type: 'error', code: 'invalid_message' }, JSON.stringify(wrong))
    t.equal((await server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: wrong })).status, 400)
  }
  t.equal((await pendingOf(server, 'alice')).length, 1)
  await alice.request({ type: 'confirm', callback_id: id, proceed: true })
  t.match(await end, { outcome: 'confirmed' })
})

t.test('an answer ends its own question only', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const first = await askStored(server, 'alice')
  const second = ask(server, 'alice')
  await alice.request({ type: 'confirm', callback_id: first.id, proceed: true })
  t.match(await first.end, { callback_id: first.id, outcome: 'confirmed' })
  const [left, ...others] = await pendingOf(server, 'alice')
  t.same(others, [])
  t.not(left!.callback_id, first.id)
  await server.app.ws.confirmations.cancel(left!.callback_id)
  t.match(await second, { outcome: 'cancelled' })
})

t.test('the app can answer for a user, and the schema checks the JSON of its answer', async (t) => {
  const server = await startApp(t)
  const { confirmations } = server.app.ws
  const { end, id } = await askStored(server, 'alice', { answer: Type.Object({ at: Type.String() }) })
  const by = { user_id: 'alice', client_id: null }
  await t.rejects(confirmations.answer(id, { proceed: true, answer: { at: 'now', toJSON: () => ({ at: 1 }) } }, by), { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path: '/answer/at' }] })
  await confirmations.answer(id, { proceed: true, answer: { at: new Date(0) } }, by)
  t.match(await end, { outcome: 'confirmed', answer: { at: new Date(0).toISOString() } })
})

t.test('an answer loses the fields that its schema does not name, whoever gives it', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  const answer = Type.Object({ gpu: Type.String(), at: Type.Optional(Type.Object({ hour: Type.Integer() })) })
  const given = { gpu: 'a100', at: { hour: 9, zone: 'x' }, is_admin: true }
  const ways: Array<(id: string) => Promise<unknown>> = [
    (id) => alice.request({ type: 'confirm', callback_id: id, proceed: true, answer: given }),
    (id) => server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true, answer: given } }),
    (id) => server.app.ws.confirmations.answer(id, { proceed: true, answer: given }, { user_id: 'alice', client_id: null })
  ]
  for (const way of ways) {
    const { end, id } = await askStored(server, 'alice', { answer })
    await way(id)
    t.strictSame((await end).answer, { gpu: 'a100', at: { hour: 9 } })
    t.strictSame((await server.app.ws.confirmations.get(id))!.answer, { gpu: 'a100', at: { hour: 9 } })
  }
  const { end, id } = await askStored(server, 'alice')
  await alice.request({ type: 'confirm', callback_id: id, proceed: true, answer: given })
  t.strictSame((await end).answer, given, 'without a schema it is kept whole')
})
