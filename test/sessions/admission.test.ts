import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'

t.test('?channel_id= joins a channel that the user may join', async (t) => {
  const asked: unknown[] = []
  const server = await startApp(t, { authorizeSubscribe: (user, channel) => { asked.push([user?.id, channel]); return true } })
  const client = await server.connect('alice', { path: '/ws?channel_id=room%207%2Fä' })
  t.match(client.received[0], { type: 'connection', data: { channel_id: 'room 7/ä', channels: ['room 7/ä'] } })
  t.same(asked, [['alice', 'room 7/ä']], 'asked once')
  t.match(await server.app.ws.sendToChannel('room 7/ä', { type: 'app.news' }), { localRecipients: 1 })
  await client.next('app.news')
  t.match(await client.request({ type: 'unsubscribe', channel_ids: ['room 7/ä'] }), { type: 'reply' }, 'it is a subscription like any other')
})

t.test('an upgrade with ?channel_id= of a forbidden channel is refused', async (t) => {
  for (const authorizeSubscribe of [undefined, () => false, async () => false, () => 'yes' as never]) {
    const options = authorizeSubscribe === undefined ? {} : { authorizeSubscribe }
    const server = await startApp(t, options)
    const answer = await refusal(server.dial('alice', { path: '/ws?channel_id=secret' }))
    t.match(answer, { statusCode: 403, body: { code: 'WSM_ERR_FORBIDDEN', message: /secret/ } })
    t.equal(answer.headers['www-authenticate'], undefined)
    const closing = await startApp(t, { ...options, rejectMode: 'close' })
    const client = await closing.dial('alice', { path: '/ws?channel_id=secret' }).opened()
    t.match(await client.closed, { code: 4403, reason: /secret/ })
    t.same(client.received, [])
  }
})

t.test('an upgrade with a malformed channel_id is refused with 400 or closed with 1008, even if all channels are allowed', async (t) => {
  for (const query of ['channel_id=', 'channel_id=a&channel_id=b', `channel_id=${'x'.repeat(201)}`]) {
    const server = await startApp(t, { authorizeSubscribe: () => true })
    const answer = await refusal(server.dial('alice', { path: `/ws?${query}` }))
    t.match(answer, { statusCode: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE' } }, query.slice(0, 30))
    const closing = await startApp(t, { authorizeSubscribe: () => true, rejectMode: 'close' })
    const client = await closing.dial('alice', { path: `/ws?${query}` }).opened()
    t.match(await client.closed, { code: 1008 }, query.slice(0, 30))
  }
})

t.test('an upgrade without a valid token is refused before its channel is checked', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => { t.fail('nobody is asked'); return true } })
  for (const path of ['/ws?channel_id=secret', '/ws?channel_id=']) {
    t.equal((await refusal(server.dial('alice', { token: 'bad', path }))).statusCode, 401)
  }
})

t.test('an upgrade whose authorizeSubscribe fails is refused with 503 or closed with 1013, and the error is logged', async (t) => {
  const authorizeSubscribe = () => { throw new Error('the database is down') }
  const server = await startApp(t, { authorizeSubscribe })
  const answer = await refusal(server.dial('alice', { path: '/ws?channel_id=news' }))
  t.match(answer, { statusCode: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
  t.notMatch(JSON.stringify(answer.body), /database/)
  t.match(server.logs.find(({ level }) => level >= 50), { err: { message: 'the database is down' } })

  const closing = await startApp(t, { authorizeSubscribe, rejectMode: 'close' })
  const client = await closing.dial('alice', { path: '/ws?channel_id=news' }).opened()
  const end = await client.closed
  t.match(end, { code: 1013 })
  t.notMatch(end.reason, /database/)
})

t.test('an upgrade whose authorizeSubscribe hangs is refused after auth.timeoutMs', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => new Promise(() => {}), auth: { timeoutMs: 30 } })
  t.match(await refusal(server.dial('alice', { path: '/ws?channel_id=news' })), { statusCode: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
})

t.test('an upgrade may have other query parameters', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice', { path: '/ws?v=2&channel=x' })
  t.match(client.received[0], { data: { channel_id: null, channels: [] } })
})

t.test('a hook of the host can refuse an upgrade before the plugin handles it', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => { t.fail('nobody is asked'); return true } }, {
    before: (app) => { app.addHook('onRequest', async (request, reply) => { if (request.headers['x-blocked']) return reply.code(429).send({ statusCode: 429 }) }) }
  })
  const answer = await refusal(server.dial('alice', { path: '/ws?channel_id=news', socket: { headers: { 'x-blocked': '1' } } }))
  t.equal(answer.statusCode, 429)
})

t.test('a connection keeps the client\'s address as determined by the host\'s trustProxy', async (t) => {
  for (const [trustProxy, ip] of [[false, '127.0.0.1'], [true, '203.0.113.7']] as const) {
    const server = await startApp(t, {}, { fastify: { trustProxy } })
    const client = await server.connect('alice', { socket: { headers: { 'x-forwarded-for': '203.0.113.7' } } })
    t.match((await server.rest('GET', `/ws/clients/${client.id}`)).body, { ip })
  }
})
