import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { startApp, type TestApp } from '../fixtures/app.js'
import { askStored } from '../fixtures/questions.js'

/** Questions to alice and bob, open and ended. */
async function questions (server: TestApp) {
  const open = await askStored(server, 'alice')
  await nextMillisecond()
  const otherTask = await askStored(server, 'alice', { taskId: 'task-2' })
  await nextMillisecond()
  const declined = await askStored(server, 'alice')
  await server.rest('POST', `/ws/confirmations/${declined.id}`, { as: 'alice', body: { proceed: false } })
  const bobs = await askStored(server, 'bob')
  return { open, otherTask, declined, bobs }
}

/** Their order is by the millisecond. */
async function nextMillisecond (): Promise<void> {
  const now = Date.now()
  while (Date.now() === now) await setImmediate()
}

async function listed (server: TestApp, as: string, query = ''): Promise<string[]> {
  const { status, body } = await server.rest('GET', `/ws/confirmations${query}`, { as })
  if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`)
  return body.confirmations.map(({ callback_id: id }: { callback_id: string }) => id)
}

t.test('users list their own questions, oldest first, filtered by task and status', async (t) => {
  const server = await startApp(t)
  const { open, otherTask, declined, bobs } = await questions(server)
  t.strictSame(await listed(server, 'alice'), [open.id, otherTask.id, declined.id])
  t.strictSame(await listed(server, 'alice', '?user_id=alice'), [open.id, otherTask.id, declined.id])
  t.strictSame(await listed(server, 'alice', '?status=pending'), [open.id, otherTask.id])
  t.strictSame(await listed(server, 'alice', '?status=declined'), [declined.id])
  t.strictSame(await listed(server, 'alice', '?task_id=task-1'), [open.id, declined.id])
  t.strictSame(await listed(server, 'alice', '?task_id=task-1&status=pending'), [open.id])
  t.strictSame(await listed(server, 'alice', '?status=expired'), [])
  t.strictSame(await listed(server, 'bob'), [bobs.id])
  t.strictSame(await listed(server, 'carol'), [])
})

t.test('other users\' questions need permission, and by default the list has one\'s own', async (t) => {
  const server = await startApp(t)
  const { open, bobs } = await questions(server)
  t.match(await server.rest('GET', '/ws/confirmations?user_id=alice', { as: 'bob' }), { status: 403, body: { code: 'WSM_ERR_FORBIDDEN' } })
  t.match(await server.rest('GET', `/ws/confirmations/${open.id}`, { as: 'bob' }), { status: 403, body: { code: 'WSM_ERR_FORBIDDEN' } })
  t.strictSame(await listed(server, 'admin'), [])
  t.strictSame(await listed(server, 'admin', '?user_id=bob'), [bobs.id])
  t.match(await server.rest('GET', `/ws/confirmations/${open.id}`, { as: 'admin' }), { status: 200, body: { callback_id: open.id } })
})

t.test('a single question is shown in full', async (t) => {
  const server = await startApp(t)
  const { open, declined } = await questions(server)
  const one = await server.rest('GET', `/ws/confirmations/${open.id}`, { as: 'alice' })
  t.equal(one.status, 200)
  t.strictSame(one.body, open.record)
  t.match((await server.rest('GET', `/ws/confirmations/${declined.id}`, { as: 'alice' })).body, {
    status: 'declined', proceed: false, settled_at: Number, answered_by: { user_id: 'alice', client_id: null }
  })
})

t.test('without a token questions can be neither seen, answered nor cancelled', async (t) => {
  const server = await startApp(t)
  const { open } = await questions(server)
  for (const [method, url, body] of [['GET', '', undefined], ['GET', `/${open.id}`, undefined], ['POST', `/${open.id}`, { proceed: true }], ['DELETE', `/${open.id}`, undefined]] as const) {
    t.match(await server.rest(method, `/ws/confirmations${url}`, { as: null, body }), { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } }, method)
  }
})

t.test('an unknown question is 404', async (t) => {
  const server = await startApp(t)
  for (const [method, body] of [['GET', undefined], ['POST', { proceed: true }], ['DELETE', undefined]] as const) {
    for (const as of ['alice', 'admin']) {
      t.match(await server.rest(method, '/ws/confirmations/nothing', { as, body }), { status: 404, body: { code: 'WSM_ERR_NOT_FOUND', error: 'Not Found' } }, method)
    }
  }
  t.match(await server.rest('GET', '/ws/confirmations/nothing?wait=60', { as: 'alice' }), { status: 404 }, 'at once')
})

t.test('an ended question cannot be cancelled, and the response says how it ended', async (t) => {
  const server = await startApp(t)
  const { declined } = await questions(server)
  t.match(await server.rest('DELETE', `/ws/confirmations/${declined.id}`, { as: 'alice' }), {
    status: 409, body: { code: 'WSM_ERR_ALREADY_SETTLED', details: { outcome: 'declined', answered_by: { user_id: 'alice' } } }
  })
})

t.test('a bad request is refused, and the error names the fault', async (t) => {
  const server = await startApp(t)
  const { open } = await questions(server)
  const url = `/ws/confirmations/${open.id}`
  const bad = [
    ['GET', '/ws/confirmations?status=open', '/status'], ['GET', '/ws/confirmations?task_id=', '/task_id'], ['GET', '/ws/confirmations?user=alice', '/user'],
    ['GET', `${url}?wait=-1`, '/wait'], ['GET', `${url}?wait=61`, '/wait'], ['GET', `${url}?wait=long`, '/wait'], ['GET', `${url}?seconds=1`, '/seconds'],
    ['GET', `/ws/confirmations/${'x'.repeat(65)}`, '/callback_id'], ['DELETE', `${url}?reason=${'x'.repeat(501)}`, '/reason']
  ] as const
  for (const [method, path, where] of bad) {
    t.match(await server.rest(method, path, { as: 'alice' }), { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path: where }] } }, `${method} ${path}`)
  }
})

t.test('questions are listed in pages, by REST and in the app', async (t) => {
  const server = await startApp(t)
  const ids: string[] = []
  for (let n = 0; n < 7; n++) ids.push((await askStored(server, 'alice')).id)
  const pageOf = async (query: string) => (await server.rest('GET', `/ws/confirmations${query}`, { as: 'alice' })).body
  const found: string[][] = []
  for (let next = ''; next !== null;) {
    const page = await pageOf(`?status=pending&limit=3${next && `&after=${next}`}`)
    found.push(page.confirmations.map(({ callback_id: id }: { callback_id: string }) => id))
    next = page.next
  }
  t.same(found.map((page) => page.length), [3, 3, 1])
  t.same(new Set(found.flat()), new Set(ids))
  t.same((await pageOf('')).next, null)
  const { list } = server.app.ws.confirmations
  const { confirmations, next } = await server.app.ws.confirmations.list({ userId: 'alice', limit: 5 })
  t.equal(confirmations.length, 5)
  t.same((await server.app.ws.confirmations.list({ userId: 'alice', limit: 5, after: next! })).confirmations.length, 2)
  t.same((await server.app.ws.confirmations.list({ userId: 'alice', limit: 5, after: null })).confirmations.length, 5)
  // A filter that is passed over would answer with the questions of others.
  for (const wrong of [{ user_id: 'alice' }, { userId: 'alice', status: 'open' }, { limit: 0 }, { after: 'x' }]) {
    await t.rejects(server.app.ws.confirmations.list(wrong as object), { code: 'WSM_ERR_INVALID_ARGUMENT' }, JSON.stringify(wrong))
  }
  for (const query of ['?limit=0', '?limit=1001', '?limit=x', '?after=x', '?after=1:', `?after=1:${'x'.repeat(65)}`]) {
    t.match(await server.rest('GET', `/ws/confirmations${query}`, { as: 'alice' }), { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE' } }, query)
  }
  for (const options of [{ limit: 0 }, { limit: 1_001 }, { after: 'x' }]) {
    await t.rejects(list.call(server.app.ws.confirmations, options), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  }
})
