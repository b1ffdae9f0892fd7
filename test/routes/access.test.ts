import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { RestAction, User } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { askStored } from '../fixtures/questions.js'

const message = { message: { type: 'news.flash' } }

/** Every route that `authorize` is asked about: its action, and a call of it on things of alice's. */
function calls (ids: { client: string, question: string, task: string }): [RestAction, string, string, object?][] {
  return [
    ['status', 'GET', '/ws/status'],
    ['broadcast', 'POST', '/ws/broadcast', message],
    ['send:user', 'POST', '/ws/users/alice/messages', message],
    ['send:role', 'POST', '/ws/roles/editor/messages', message],
    ['send:channel', 'POST', '/ws/channels/room/messages', message],
    ['send:client', 'POST', `/ws/clients/${ids.client}/messages`, message],
    ['clients:list', 'GET', '/ws/clients'],
    ['clients:read', 'GET', `/ws/clients/${ids.client}`],
    ['history:read', 'GET', '/ws/history?topic=user:alice'],
    ['confirmations:list', 'GET', '/ws/confirmations?user_id=alice'],
    ['confirmations:read', 'GET', `/ws/confirmations/${ids.question}`],
    ['confirmations:cancel', 'DELETE', `/ws/confirmations/${ids.question}`],
    ['tasks:list', 'GET', '/ws/tasks?user_id=alice'],
    ['tasks:read', 'GET', `/ws/tasks/${ids.task}`],
    ['tasks:cancel', 'DELETE', `/ws/tasks/${ids.task}`],
    ['clients:disconnect', 'DELETE', `/ws/clients/${ids.client}`]
  ]
}

async function things (server: TestApp) {
  const { id: client } = await server.connect('alice')
  const { id: question } = await askStored(server, 'alice')
  const { task: { task_id: task } } = await server.app.ws.tasks.start({ userId: 'alice' })
  return { client, question, task }
}

t.test('authorize is asked about each route by its action, and decides', async (t) => {
  const asked: [RestAction, string, string][] = []
  let isAllowed: unknown = false
  const authorize = async (request: FastifyRequest, action: RestAction, user: User) => {
    await null
    asked.push([action, user.id, request.url])
    return isAllowed as boolean
  }
  const server = await startApp(t, { authorize })
  const list = calls(await things(server))
  // Only true allows; nothing that is merely like it.
  for (const answer of [false, undefined, null, 1, 'yes', {}]) {
    isAllowed = answer
    for (const [action, method, url, body] of list) {
      t.match(await server.rest(method, url, { as: 'admin', body }), {
        status: 403, body: { statusCode: 403, code: 'WSM_ERR_FORBIDDEN', error: 'Forbidden', message: `You may not do this: ${action}` }
      }, `${action}: ${String(answer)}`)
    }
  }
  asked.length = 0
  isAllowed = true
  for (const [action, method, url, body] of list) {
    const { status } = await server.rest(method, url, { as: 'bob', body })
    t.ok(status === 200 || status === 204, `${action}: ${status}`)
  }
  t.strictSame(asked, list.map(([action, , url]) => [action, 'bob', url]))
})

t.test('users need no permission for their own data', async (t) => {
  const asked: RestAction[] = []
  const server = await startApp(t, { authorize: (_request, action) => { asked.push(action); return false } })
  const { question, task } = await things(server)
  for (const [method, url] of [['GET', '/ws/history?topic=user:alice'], ['GET', '/ws/confirmations'], ['GET', `/ws/confirmations/${question}`], ['DELETE', `/ws/confirmations/${question}`], ['GET', `/ws/tasks/${task}`], ['DELETE', `/ws/tasks/${task}`]] as const) {
    t.equal((await server.rest(method, url, { as: 'alice' })).status, 200, `${method} ${url}`)
  }
  t.strictSame(asked, [])
})

t.test('an authorize that fails denies with 503, and only the log says why', async (t) => {
  for (const authorize of [() => { throw new Error('the database said: password=hunter2') }, async () => { throw new Error('the database said: password=hunter2') }]) {
    const server = await startApp(t, { authorize })
    const { status, body } = await server.rest('GET', '/ws/status', { as: 'admin' })
    t.equal(status, 503)
    t.strictSame(body, { statusCode: 503, code: 'WSM_ERR_UNAVAILABLE', error: 'Service Unavailable', message: 'Authorization is temporarily unavailable' })
    t.match(server.logs.find(({ msg }) => msg === 'an authorize hook failed; the action was refused'), { err: { message: /hunter2/ } })
  }
})

t.test('without authorize, ws:admin in roles or scope is the permission, as an array or as words', async (t) => {
  const server = await startApp(t)
  const status = async (claims: object) => {
    const headers = { authorization: `Bearer ${server.token('carol', claims)}` }
    return (await server.rest('GET', '/ws/status', { as: null, headers })).status
  }
  for (const granted of ['ws:admin', 'read ws:admin write', ['ws:admin'], ['read', 'ws:admin']]) {
    t.equal(await status({ roles: granted }), 200, `roles ${JSON.stringify(granted)}`)
    t.equal(await status({ scope: granted }), 200, `scope ${JSON.stringify(granted)}`)
  }
  for (const granted of ['', 'admin', 'ws:administrator', 'xws:admin', 'ws:admin,read', [], ['admin'], [['ws:admin']], { 'ws:admin': true }, true, null]) {
    t.equal(await status({ roles: granted, scope: granted }), 403, JSON.stringify(granted))
  }
  t.equal(await status({}), 403)
  t.equal(await status({ permissions: ['ws:admin'], role: 'ws:admin' }), 403)
})

t.test('the default permission is not checked if the app has its own authorize', async (t) => {
  const server = await startApp(t, { authorize: (_request, _action, { id }) => id === 'bob' })
  t.equal((await server.rest('GET', '/ws/status', { as: 'admin' })).status, 403)
  t.equal((await server.rest('GET', '/ws/status', { as: 'bob' })).status, 200)
})

t.test('every route but health needs a valid token, and a 401 does not repeat the token', async (t) => {
  const server = await startApp(t, { authorize: () => true })
  const list = calls(await things(server))
  const others: [string, string, object?][] = [['GET', '/ws/confirmations'], ['POST', '/ws/confirmations/x', { proceed: true }]]
  const expired = server.app.jwt.sign({ sub: 'admin', roles: ['ws:admin'], exp: 1 })
  const forged = `${server.token('admin').slice(0, -4)}AAAA`
  const bad: Record<string, string>[] = [{}, { authorization: 'Bearer' }, { authorization: `Basic ${expired}` }, { authorization: `Bearer ${expired}` }, { authorization: `Bearer ${forged}` }]
  for (const [method, url, body] of [...list.map(([, ...call]) => call), ...others]) {
    for (const headers of bad) {
      const refused = await server.rest(method, url, { as: null, body, headers })
      t.match(refused, { status: 401, body: { statusCode: 401, code: 'WSM_ERR_UNAUTHORIZED', error: 'Unauthorized' } }, `${method} ${url} ${headers.authorization}`)
      t.equal(refused.headers.get('www-authenticate'), 'Bearer')
      for (const token of [expired, forged]) t.notOk(JSON.stringify(refused.body).includes(token))
    }
  }
})

t.test('permission is checked before the request\'s contents', async (t) => {
  const server = await startApp(t)
  t.match(await server.rest('POST', '/ws/broadcast', { as: null, body: '{' }), { status: 401 })
  t.match(await server.rest('POST', '/ws/broadcast', { as: 'alice', body: '{' }), { status: 403 })
})
