import t from 'tap'
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

t.test('a token among the subprotocols opens the socket and is never selected', async (t) => {
  const server = await startApp(t)
  const bearer = `bearer.${server.token('alice')}`
  const selections: Array<[offered: string[], selected: string]> = [
    [['ws-manager.v1', bearer], 'ws-manager.v1'],
    [[bearer, 'ws-manager.v1'], 'ws-manager.v1'],
    [[bearer, 'other.v2', 'ws-manager.v1'], 'ws-manager.v1'],
    [[bearer, 'other.v2', 'other.v1'], 'other.v2']
  ]
  for (const [offered, selected] of selections) {
    const client = await server.connect('nobody', { token: null, protocols: offered })
    t.equal(client.socket.protocol, selected)
    t.equal(client.received[0]!.data.user_id, 'alice')
  }
})

t.test('where nothing but the token is offered, nothing is selected', async (t) => {
  const server = await startApp(t)
  const client = await RawClient.to(t, server)
  client.upgrade('/ws', { 'sec-websocket-protocol': `bearer.${server.token('alice')}` })
  const { status, head } = await client.response()
  t.equal(status, 101)
  t.notMatch(head, /sec-websocket-protocol/i)
  t.match(JSON.parse((await client.frame()).payload.toString()), { type: 'connection', data: { user_id: 'alice' } })
})

t.test('the same token in the header and among the subprotocols is one token', async (t) => {
  const server = await startApp(t)
  const token = server.token('alice')
  const client = await server.connect('alice', { token, socket: { headers: { authorization: `Bearer ${token}` } } })
  t.equal(client.received[0]!.data.user_id, 'alice')
})

t.test('two tokens are refused, good as each may be', async (t) => {
  const server = await startApp(t)
  const alice = server.token('alice')
  const bob = server.token('bob')
  const twice = await refusal(server.dial('alice', { token: alice, socket: { headers: { authorization: `Bearer ${bob}` } } }))
  t.match(twice, { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
  const offered = await refusal(server.dial('alice', { token: alice, protocols: [`bearer.${bob}`] }))
  t.match(offered, { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
})

t.test('an Authorization header that is no bearer token is refused, whatever else is there', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true, firstFrame: true } })
  const token = server.token('alice')
  for (const authorization of ['Bearer', 'Bearer ', 'Bearer\t', `Basic ${token}`, token, `Bearer ${token} ${token}`, `Bearer ${token}, Bearer ${token}`, `NotBearer ${token}`]) {
    const answer = await refusal(server.dial('alice', { token: null, socket: { headers: { authorization } } }))
    t.match(answer, { statusCode: 401, headers: { 'www-authenticate': 'Bearer' }, body: { code: 'WSM_ERR_UNAUTHORIZED' } }, JSON.stringify(authorization.slice(0, 12)))
  }
})

t.test('an Authorization header of another scheme does not spoil the token among the subprotocols', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice', { socket: { headers: { authorization: 'Basic YWxpY2U6c2VjcmV0' } } })
  t.equal(client.received[0]!.data.user_id, 'alice')
  for (const authorization of ['Bearer', 'bearer ', 'Bearer a b']) {
    const answer = await refusal(server.dial('alice', { socket: { headers: { authorization } } }))
    t.equal(answer.statusCode, 401, `an empty or broken one of ours does: ${authorization}`)
  }
})

t.test('an empty token among the subprotocols is a bad token, not none', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true, firstFrame: true } })
  const answer = await refusal(server.dial('alice', { token: '' }))
  t.match(answer, { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
})

t.test('a token in an auth frame may have its scheme before it', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true } })
  for (const scheme of ['', 'Bearer ', 'bearer  ']) {
    const client = await server.dial('nobody', { token: null }).opened()
    const { data } = await client.request({ type: 'auth', token: scheme + server.token('alice') })
    t.equal(data.user_id, 'alice')
  }
})

t.test('a cookie or a query parameter is no credential', async (t) => {
  const server = await startApp(t)
  const token = server.token('alice')
  const answer = await refusal(server.dial('alice', {
    token: null, path: `/ws?token=${token}&access_token=${token}`, socket: { headers: { cookie: `token=${token}` } }
  }))
  t.equal(answer.statusCode, 401)
})
