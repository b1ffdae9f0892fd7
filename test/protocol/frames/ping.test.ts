import t from 'tap'
import { startApp } from '../../fixtures/app.js'

t.test('ping is answered with its own timestamp and the server\'s time', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice')
  const before = Date.now()
  for (const timestamp of [1, 0, -5.5, 'any text', '']) {
    client.send({ type: 'ping', timestamp })
    const pong = await client.next('pong')
    t.equal(pong.timestamp, timestamp)
    t.ok(pong.server_time >= before && pong.server_time <= Date.now())
  }
  client.send({ type: 'ping' })
  t.same(Object.keys(await client.next('pong')).sort(), ['server_time', 'timestamp', 'type'])
  t.equal(client.received.at(-1)!.timestamp, null)
  for (const timestamp of [null, true, {}, 'x'.repeat(65)]) {
    t.match(await client.request({ type: 'ping', timestamp }), { code: 'invalid_message', details: [{ path: '/timestamp' }] })
  }
})

t.test('a connection frame reports the socket\'s id and user, at the start and on request', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const expiresAt = Math.floor(Date.now() / 1000) + 600
  const client = await server.connect('alice', { claims: { exp: expiresAt }, path: '/ws?channel_id=lobby' })
  const described = {
    client_id: client.id, user_id: 'alice', channel_id: 'lobby', channels: ['lobby'], expires_at: expiresAt * 1000, protocol: 'ws-manager.v1'
  }
  const streams = (...topics: string[]) => topics.map((topic) => ({ topic, epoch: /^[\w-]{8}$/, offset: 0, recovered: false, missed: 0 }))
  t.match(client.received, [{ type: 'connection', data: { ...described, streams: streams('all', 'user:alice', 'channel:lobby') } }])
  await client.request({ type: 'subscribe', channel_ids: ['room'] })
  client.send({ type: 'connection' })
  const now = { ...described, channels: ['lobby', 'room'], streams: streams('all', 'user:alice', 'channel:lobby', 'channel:room') }
  t.match(await client.next((frame) => frame.data?.channels.length === 2), { type: 'connection', data: now })
  await client.settled()
  t.equal(client.count('connection'), 2, 'without an id there is one answer')
  t.match((await client.request({ type: 'connection' })).data, now, 'the reply says the same')
})
