import { Type } from '@sinclair/typebox'
import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'
import { badTokens } from '../fixtures/tokens.js'

t.test('an upgrade with a bad token is refused with 401', async (t) => {
  const server = await startApp(t)
  for (const [fault, token] of Object.entries(badTokens())) {
    const answer = await refusal(server.dial('alice', { token }))
    t.match(answer, {
      statusCode: 401,
      headers: { 'www-authenticate': 'Bearer', 'content-type': /^application\/json/ },
      body: { statusCode: 401, code: 'WSM_ERR_UNAUTHORIZED', error: 'Unauthorized', message: String }
    }, `a token ${fault}`)
    t.same(Object.keys(answer.body!).sort(), ['code', 'error', 'message', 'statusCode'], 'and says no more')
  }
  const none = await refusal(server.dial('alice', { token: null }))
  t.match(none, { statusCode: 401, headers: { 'www-authenticate': 'Bearer' } }, 'no token')
  t.equal(server.app.ws.getConnectionCount(), 0)
})

t.test('with rejectMode close a socket with a bad token is closed with 4401', async (t) => {
  const server = await startApp(t, { rejectMode: 'close' })
  for (const [fault, token] of Object.entries({ ...badTokens(), missing: null })) {
    const client = await server.dial('alice', { token }).opened()
    t.match(await client.closed, { code: 4401, reason: /token/ }, `a token ${fault}`)
    t.same(client.received, [], 'nothing is sent before the close')
  }
  t.equal(server.app.ws.getConnectionCount(), 0)
})

t.test('a REST request with a bad token is refused with 401', async (t) => {
  const server = await startApp(t)
  for (const [fault, token] of Object.entries(badTokens())) {
    const answer = await server.rest('GET', '/ws/status', { as: null, headers: { authorization: `Bearer ${token}` } })
    t.match(answer, { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } }, `a token ${fault}`)
    t.equal(answer.headers.get('www-authenticate'), 'Bearer')
  }
  t.equal((await server.rest('GET', '/ws/status', { as: null })).status, 401)
})

t.test('a bad token in an auth frame is answered with an error, and the socket stays open with its user', async (t) => {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 100 } })
  const client = await server.connect('alice')
  for (const [fault, token] of Object.entries(badTokens())) {
    const answer = await client.request({ type: 'auth', token })
    t.match(answer, { type: 'error', code: 'unauthorized' }, `a token ${fault}`)
  }
  t.match(await client.request({ type: 'auth' }), { type: 'error', code: 'unauthorized' }, 'no token')
  t.match(await client.request({ type: 'change_user', token: 'x'.repeat(50_000) }), { type: 'error', code: 'unauthorized' }, 'however long')
  const { data } = await client.request({ type: 'connection' })
  t.equal(data.user_id, 'alice')
})

t.test('a refused socket with frames behind its upgrade reaches no handler', async (t) => {
  const server = await startApp(t, { rejectMode: 'close' }, {
    after: (app) => app.ws.handle('test.hit', { schema: Type.Object({}) }, () => t.fail('a handler was reached'))
  })
  const client = server.dial('alice', { token: null })
  client.socket.on('open', () => client.send({ type: 'test.hit' }))
  t.match(await client.closed, { code: 4401 })
  t.same(client.received, [])
})
