import fastifyWebsocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { tokenFromFrame } from '../../lib/auth/credentials.js'
import { startApp } from '../fixtures/app.js'
import { RawClient } from '../fixtures/raw-client.js'
import { refusal } from '../fixtures/refusal.js'

t.test('a token in the Authorization header opens the socket, its scheme in any case', async (t) => {
  const server = await startApp(t)
  for (const scheme of ['Bearer', 'bearer', 'BEARER ']) {
    const client = await server.connect('nobody', {
      token: null, protocols: [], socket: { headers: { authorization: `${scheme} ${server.token('alice')}` } }
    })
    t.match(client.received[0], { type: 'connection', data: { client_id: client.id, user_id: 'alice' } })
    t.equal(client.socket.protocol, '', 'no subprotocol was offered, none is selected')
  }
})

t.test('a token among the subprotocols opens the socket and is never selected as the subprotocol', async (t) => {
  const server = await startApp(t)
  const bearer = `bearer.${server.token('alice')}`
  const selections: Array<[offered: string[], selected: string]> = [
    [['ws-manager.v1', bearer], 'ws-manager.v1'],
    [[bearer, 'ws-manager.v1'], 'ws-manager.v1'],
    [[bearer, 'other.v2', 'ws-manager.v1'], 'ws-manager.v1'],
    [['graphql-transport-ws', bearer, 'ws-manager.v1'], 'ws-manager.v1']
  ]
  for (const [offered, selected] of selections) {
    const client = await server.connect('nobody', { token: null, protocols: offered })
    t.equal(client.socket.protocol, selected)
    t.equal(client.received[0]!.data.protocol, selected)
    t.equal(client.received[0]!.data.user_id, 'alice')
  }
})

t.test('no subprotocol is selected if only the token is offered', async (t) => {
  const server = await startApp(t)
  const client = await RawClient.to(t, server)
  client.upgrade('/ws', { 'sec-websocket-protocol': `bearer.${server.token('alice')}` })
  const { status, head } = await client.response()
  t.equal(status, 101)
  t.notMatch(head, /sec-websocket-protocol/i)
  t.match(JSON.parse((await client.frame()).payload.toString()), { type: 'connection', data: { user_id: 'alice', protocol: null } })
})

t.test('no other subprotocol is selected, not even by the host\'s choice or at an endpoint', async (t) => {
  const before = async (app: FastifyInstance) => { await app.register(fastifyWebsocket, { options: { handleProtocols: (offered: Set<string>) => [...offered].at(-1)! } }) }
  for (const host of [{}, { before }]) {
    const server = await startApp(t, {}, { ...host, after: ({ ws }) => ws.endpoint('/desk', { channels: [], authorize: () => true }) })
    for (const path of ['/ws', '/desk']) {
      const client = await RawClient.to(t, server)
      client.upgrade(path, { 'sec-websocket-protocol': `graphql-transport-ws, bearer.${server.token('alice')}` })
      const { status, head } = await client.response()
      t.equal(status, 101)
      t.notMatch(head, /sec-websocket-protocol/i)
      const { data } = JSON.parse((await client.frame()).payload.toString())
      t.match(data, { user_id: 'alice', protocol: null })
      t.match(await server.rest('GET', `/ws/clients/${data.client_id}`), { body: { protocol: null } })
    }
  }
})

t.test('a token of the maximum length for an upgrade also refreshes the socket by an auth frame', async (t) => {
  const server = await startApp(t)
  for (const bytes of [100, 6_000, 9_000]) {
    const token = server.token('alice', { groups: 'x'.repeat(bytes) })
    const client = await server.connect('alice', { token: null, protocols: [], socket: { headers: { authorization: `Bearer ${token}` } } })
    for (const type of ['auth', 'change_user']) {
      for (const given of [token, `Bearer ${token}`, `bearer   ${token}`]) {
        t.match(await client.request({ type, token: given }), { type: 'reply', data: { user_id: 'alice' } }, `${type} with ${token.length} characters`)
      }
      t.match(await client.request({ type, token: `${token}x` }), { code: 'unauthorized' })
    }
  }
  const longest = server.token('alice', { groups: 'x'.repeat(40_000) })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'auth', token: longest }), { type: 'reply' }, 'as long as a frame may be')
})

t.test('a token of only spaces is read in linear time', async (t) => {
  t.equal(tokenFromFrame('Bearer token'), 'token')
  t.equal(tokenFromFrame('BEARER   token'), 'token')
  t.equal(tokenFromFrame('bearertoken'), 'bearertoken')
  t.equal(tokenFromFrame(' Bearer token'), ' Bearer token')
  const start = performance.now()
  t.equal(tokenFromFrame(`Bearer ${' '.repeat(100_000)}\n`), '\n')
  t.ok(performance.now() - start < 500)
})

t.test('the same token in the header and among the subprotocols counts as one token', async (t) => {
  const server = await startApp(t)
  const token = server.token('alice')
  const client = await server.connect('alice', { token, socket: { headers: { authorization: `Bearer ${token}` } } })
  t.equal(client.received[0]!.data.user_id, 'alice')
})

t.test('two different tokens are refused, even if both are valid', async (t) => {
  const server = await startApp(t)
  const alice = server.token('alice')
  const bob = server.token('bob')
  const twice = await refusal(server.dial('alice', { token: alice, socket: { headers: { authorization: `Bearer ${bob}` } } }))
  t.match(twice, { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
  const offered = await refusal(server.dial('alice', { token: alice, protocols: [`bearer.${bob}`] }))
  t.match(offered, { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
})

for (const [kind, options] of [['JWT', {}], ['authenticate', { authenticate: () => ({ id: 'alice' }) }]] as const) {
  t.test(`with ${kind} two different Authorization headers are refused, and two identical ones are not`, async (t) => {
    const server = await startApp(t, options, kind === 'JWT' ? {} : { before: (app) => { app.decorate('jwt', {} as never) } })
    const [alice, bob] = ['alice', 'bob'].map((user) => `Bearer ${kind === 'JWT' ? server.token(user) : user}`)
    const statuses = async (authorization: string, Authorization: string) => {
      const [socket, rest] = [await RawClient.to(t, server), await RawClient.to(t, server)]
      socket.upgrade('/ws', { authorization, Authorization, origin: server.origin, host: new URL(server.origin).host })
      rest.socket.write(`GET /ws/tasks HTTP/1.1\r\nhost: x\r\nAuthorization: ${authorization}\r\nAUTHORIZATION: ${Authorization}\r\n\r\n`)
      return [(await socket.response()).status, (await rest.response()).status]
    }
    t.same(await statuses(alice!, alice!), [101, 200])
    t.same(await statuses(alice!, bob!), [401, 401])
    t.same(await statuses(alice!, 'Basic YWxpY2U6c2VjcmV0'), [401, 401])
  })
}

t.test('duplicate query parameters are refused', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const parts = ['{"all":{"epoch":"x"', '"offset":0}}'].map(encodeURIComponent)
  for (const query of ['channel_id=a&channel_id=b', 'channel_id=a&channel_id=a', 'recover=%7B%7D&recover=%7B%7D', `recover=${parts[0]}&recover=${parts[1]}`]) {
    t.match(await refusal(server.dial('alice', { path: `/ws?${query}` })), { statusCode: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE' } }, query)
  }
  const lists = ['/ws/history?topic=all&topic=user:alice', '/ws/tasks?user_id=alice&user_id=bob', '/ws/tasks?limit=1&limit=2', '/ws/confirmations?status=pending&status=expired']
  for (const path of lists) t.match(await server.rest('GET', path, { as: 'alice' }), { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE' } }, path)
})

t.test('an Authorization header that is not a bearer token is refused, whatever other credentials there are', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true, firstFrame: true } })
  const token = server.token('alice')
  for (const authorization of ['Bearer', 'Bearer ', 'Bearer\t', `Basic ${token}`, token, `Bearer ${token} ${token}`, `Bearer ${token}, Bearer ${token}`, `NotBearer ${token}`]) {
    const answer = await refusal(server.dial('alice', { token: null, socket: { headers: { authorization } } }))
    t.match(answer, { statusCode: 401, headers: { 'www-authenticate': 'Bearer' }, body: { code: 'WSM_ERR_UNAUTHORIZED' } }, JSON.stringify(authorization.slice(0, 12)))
  }
})

t.test('an Authorization header of another scheme does not affect the token among the subprotocols', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice', { socket: { headers: { authorization: 'Basic YWxpY2U6c2VjcmV0' } } })
  t.equal(client.received[0]!.data.user_id, 'alice')
  for (const authorization of ['Bearer', 'bearer ', 'Bearer a b']) {
    const answer = await refusal(server.dial('alice', { socket: { headers: { authorization } } }))
    t.equal(answer.statusCode, 401, `an empty or broken one of ours does: ${authorization}`)
  }
})

t.test('an empty token among the subprotocols counts as a bad token', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true, firstFrame: true } })
  const answer = await refusal(server.dial('alice', { token: '' }))
  t.match(answer, { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
})

t.test('a token in an auth frame may include its scheme', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true } })
  for (const scheme of ['', 'Bearer ', 'bearer  ']) {
    const client = await server.dial('nobody', { token: null }).opened()
    const { data } = await client.request({ type: 'auth', token: scheme + server.token('alice') })
    t.equal(data.user_id, 'alice')
  }
})

t.test('neither a cookie nor a query parameter is accepted as a credential by default', async (t) => {
  const server = await startApp(t)
  const token = server.token('alice')
  const answer = await refusal(server.dial('alice', {
    token: null, path: `/ws?token=${token}&access_token=${token}`, socket: { headers: { cookie: `token=${token}` } }
  }))
  t.equal(answer.statusCode, 401)
})
