import t from 'tap'
import type { SendTarget } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'

t.test('authorize decides about every REST action, and only true allows', async (t) => {
  const asked: string[] = []
  let answer: unknown = true
  const server = await startApp(t, {
    authorize: async (request, action, user) => {
      asked.push(`${request.method} ${action} ${user.id}`)
      return answer as boolean
    }
  })
  t.equal((await server.rest('GET', '/ws/status', { as: 'alice' })).status, 200)
  t.equal((await server.rest('POST', '/ws/broadcast', { as: 'alice', body: { message: { type: 'app.news' } } })).status, 200)
  t.same(asked, ['GET status alice', 'POST broadcast alice'])
  for (answer of [false, undefined, null, 1, 'true', {}]) {
    const denied = await server.rest('GET', '/ws/status')
    t.match(denied, { status: 403, body: { code: 'WSM_ERR_FORBIDDEN', message: /status/ } }, `${answer}, the role does not help`)
  }
})

t.test('authorize is not called for a caller without a valid token', async (t) => {
  const server = await startApp(t, { authorize: () => { t.fail('nobody is asked'); return true } })
  t.equal((await server.rest('GET', '/ws/status', { as: null })).status, 401)
  t.equal((await server.rest('GET', '/ws/status', { as: null, headers: { authorization: 'Bearer bad' } })).status, 401)
})

t.test('a failing hook has not decided: nothing is done, it is logged, and the client is told to retry', async (t) => {
  const fail = () => { throw new Error('the database is down') }
  const server = await startApp(t, { authorize: fail, authorizeSubscribe: async () => fail(), authorizeSend: fail })
  const client = await server.connect('alice')
  const failures = () => server.logs.filter(({ level, err }) => level >= 50 && /database is down/.test(err?.message)).length

  const rest = await server.rest('GET', '/ws/status')
  t.match(rest, { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
  t.match(rest.headers.get('retry-after'), /^\d+$/)
  t.ok(failures() >= 1)
  const subscribed = await client.request({ type: 'subscribe', channel_ids: ['news'] })
  t.match(subscribed, { type: 'error', code: 'unavailable' })
  const sent = await client.request({ type: 'user', user_ids: ['alice'], data: {} })
  t.match(sent, { type: 'error', code: 'unavailable' })
  t.notMatch(JSON.stringify([rest.body, subscribed, sent]), /database/)
  t.ok(failures() >= 3)
  t.equal(client.count('user'), 0)
  t.equal(server.app.ws.getStatus().channels, 0)
})

t.test('without authorizeSubscribe nobody joins a channel, not even an administrator', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('admin', { claims: { roles: ['ws:admin'] } })
  t.match(await client.request({ type: 'subscribe', channel_ids: ['news'] }), { type: 'error', code: 'forbidden', details: { channel: 'news' } })
})

t.test('only true from authorizeSubscribe lets a user join a channel', async (t) => {
  let answer: unknown
  const server = await startApp(t, { authorizeSubscribe: () => answer as boolean })
  const client = await server.connect('alice')
  for (answer of [false, undefined, 1, 'yes']) {
    t.match(await client.request({ type: 'subscribe', channel_ids: ['news'] }), { code: 'forbidden' }, String(answer))
  }
  answer = Promise.resolve(true)
  t.match(await client.request({ type: 'subscribe', channel_ids: ['news'] }), { type: 'reply' })
})

t.test('authorizeSend gets the message and its target', async (t) => {
  const asked: Array<[string | undefined, SendTarget]> = []
  const server = await startApp(t, { authorizeSend: (user, target) => { asked.push([user?.id, target]); return target.id === 'bob' } })
  const alice = await server.connect('alice')
  const bob = await server.connect('bob')
  t.match(await alice.request({ type: 'user', user_ids: ['bob'], data: { type: 'chat.hi', text: 'hi', from: 'the server' } }), { type: 'reply' })
  t.match(asked, [['alice', { kind: 'user', id: 'bob', data: { type: 'chat.hi', text: 'hi', from: { user_id: 'alice' } } }]])
  t.match(await bob.next('chat.hi'), { text: 'hi', from: { user_id: 'alice', client_id: alice.id } })
  for (const frame of [{ type: 'user', user_ids: ['bob', 'carol'], data: {} }, { type: 'channel', channel_ids: ['news'], data: {} }, { type: 'client', client_ids: [bob.id], data: {} }]) {
    t.match(await alice.request(frame), { type: 'error', code: 'forbidden' }, frame.type)
  }
  await bob.settled()
  t.equal(bob.count('user') + bob.count('client'), 0, 'all of the receivers or none')
})

t.test('authorizeSend can allow members only, by the client\'s channels', async (t) => {
  const server = await startApp(t, {
    authorizeSubscribe: () => true,
    authorizeSend: (_user, { kind, id }, client) => kind === 'channel' && client.channels.includes(id)
  })
  const member = await server.connect('alice', { path: '/ws?channel_id=room' })
  const other = await server.connect('alice')
  const frame = { type: 'channel', channel_ids: ['room'], data: { text: 'hi' } }
  t.match(await other.request(frame), { type: 'error', code: 'forbidden' }, 'another socket of the same user is no member')
  t.match(await member.request(frame), { type: 'reply' })
  t.match(await member.next('channel'), { text: 'hi', from: { client_id: member.id } })
})

t.test('authorizeSubscribe gets the client, or null while its socket is not open', async (t) => {
  const asked: unknown[] = []
  const server = await startApp(t, {
    auth: { firstFrame: true },
    authorizeSubscribe: (user, channel, client) => {
      asked.push([user?.id, channel, client?.id ?? null, client?.channels])
      return true
    }
  })
  const alice = await server.connect('alice', { path: '/ws?channel_id=url' })
  await alice.request({ type: 'subscribe', channel_ids: ['news'] })
  await alice.request({ type: 'auth', token: server.token('alice') })
  t.same(asked, [
    ['alice', 'url', null, undefined], ['alice', 'news', alice.id, ['url']], ['alice', 'url', alice.id, ['url', 'news']], ['alice', 'news', alice.id, ['url', 'news']]
  ])
  const late = await server.dial('bob', { token: null, path: '/ws?channel_id=url' }).opened()
  const { data } = await late.request({ type: 'auth', token: server.token('bob') })
  t.same(asked.at(-1), ['bob', 'url', data.client_id, []])
})

t.test('without authorizeSend nobody may send', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('admin', { claims: { roles: ['ws:admin'] } })
  t.match(await client.request({ type: 'user', user_ids: ['admin'], data: {} }), { type: 'error', code: 'forbidden' })
})
