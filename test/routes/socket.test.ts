import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'
import { refusal } from '../fixtures/refusal.js'

t.test('a socket gets its connection frame first', async (t) => {
  const server = await startApp(t)
  const client = await server.dial('alice').opened()
  const frame = await client.next()
  t.match(frame, { type: 'connection', data: { user_id: 'alice', channel_id: null, channels: [], expires_at: Number, protocol: 'ws-manager.v1' } })
  t.equal(client.socket.protocol, 'ws-manager.v1')
})

t.test('expires_at is when the token expires, in milliseconds', async (t) => {
  const server = await startApp(t)
  const exp = Math.floor(Date.now() / 1000) + 600
  const client = await server.connect('alice', { claims: { exp } })
  t.equal(client.received[0]!.data.expires_at, exp * 1000)
})

t.test('every socket has its own id', async (t) => {
  const server = await startApp(t)
  const ids = new Set<string>()
  for (let i = 0; i < 5; i++) ids.add((await server.connect('alice')).id)
  t.equal(ids.size, 5)
  t.match(server.app.ws.getStatus(), { active_connections: 5, users: 1 })
})

t.test('frames in the same packet as the upgrade request are read, after the connection frame', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: async () => true })
  const client = await RawClient.to(t, server)
  const frames = [{ type: 'subscribe', channel_ids: ['news'] }, { type: 'connection' }].map((frame) => maskedFrame(opcodes.text, JSON.stringify(frame)))
  client.upgrade('/ws', { authorization: `Bearer ${server.token('alice')}` }, Buffer.concat(frames))
  t.equal((await client.response()).status, 101)
  const received = []
  for (let i = 0; i < 4; i++) received.push(JSON.parse((await client.frame()).payload.toString()))
  t.match(received, [
    { type: 'connection', data: { channels: [] } }, { type: 'subscribed' }, { type: 'subscription_confirmed' },
    { type: 'connection', data: { channels: ['news'] } }
  ])
})

t.test('a plain GET is 426 and explains why, whoever asks and whatever the query', async (t) => {
  const server = await startApp(t)
  for (const path of ['/ws', '/ws?channel_id=', '/ws?channel_id=a&channel_id=b']) {
    for (const as of ['alice', null]) {
      t.match(await server.rest('GET', path, { as }), { status: 426, body: { statusCode: 426, code: 'WSM_ERR_UPGRADE_REQUIRED', error: 'Upgrade Required' } })
    }
  }
  t.equal((await server.rest('POST', '/ws', { body: {} })).status, 404)
  t.equal((await server.rest('HEAD', '/ws')).status, 404)
})

t.test('a refusal tells a client no more than its code', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => { throw new Error('SELECT * FROM secrets') } })
  const answer = await refusal(server.dial('alice', { path: '/ws?channel_id=news' }))
  t.same(answer.body, { statusCode: 503, code: 'WSM_ERR_UNAVAILABLE', error: 'Service Unavailable', message: 'Authorization is temporarily unavailable' })
})

t.test('the socket\'s route is in the OpenAPI document', async (t) => {
  const { default: swagger } = await import('@fastify/swagger')
  const server = await startApp(t, {}, {
    before: async (app) => { await app.register(swagger, { openapi: {} }) },
    after: (app) => app.ws.endpoint('/desk', { channels: [], authorize: () => true })
  })
  const { paths } = server.app.swagger() as { paths: Record<string, { get: { tags: string[], responses: object, parameters: Array<{ name: string }> } }> }
  for (const path of ['/ws', '/desk']) {
    t.same(paths[path]!.get.tags, ['ws'])
    t.match(paths[path]!.get.parameters, [{ name: 'channel_id', in: 'query', required: false }])
    t.strictSame(Object.keys(paths[path]!.get.responses), ['101', '400', '401', '403', '409', '426', '429', '503'])
  }
})
