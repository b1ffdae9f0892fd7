import { Type } from '@sinclair/typebox'
import t from 'tap'
import { Rejected } from '../../schemas/records.js'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { refusal } from '../fixtures/refusal.js'

t.test('a node that has refused nothing says so, for every limit', async (t) => {
  const server = await startApp(t)
  const { rejected } = server.app.ws.getStatus()
  t.same(Object.keys(rejected), Object.keys(Rejected.properties))
  t.same(new Set(Object.values(rejected)), new Set([0]))
  t.same((await server.rest('GET', '/ws/status')).body.rejected, rejected)
  rejected.depth = 5
  t.equal(server.app.ws.getStatus().rejected.depth, 0, 'what is handed out is a copy')
})

t.test('what a client does too much of is counted by its limit', async (t) => {
  const gate = new Gate()
  const limits = { maxConnections: 1, maxDepth: 3, maxChannelsPerConnection: 1, maxPendingHandlers: 1, maxPayloadBytes: 1_000, maxErrorsPerMinute: 4 }
  const server = await startApp(t, { limits, authorizeSubscribe: () => true }, {
    after: ({ ws }) => ws.handle('wait.here', { schema: Type.Object({}) }, () => gate.wait())
  })
  const counted = () => Object.fromEntries(Object.entries(server.app.ws.getStatus().rejected).filter(([, count]) => count > 0))
  const client = await server.connect('alice')
  t.equal((await refusal(server.dial('bob'))).statusCode, 503)
  t.same(counted(), { connections: 1 })
  client.send({ type: 'ping', a: { b: { c: {} } } })
  t.match(await client.next('error'), { code: 'too_deep' })
  t.match(await client.request({ type: 'subscribe', channel_ids: ['a', 'b'] }), { code: 'too_many_channels' })
  client.send({ type: 'wait.here' })
  t.match(await client.request({ type: 'ping' }), { code: 'too_many_pending' })
  gate.open()
  t.same(counted(), { connections: 1, depth: 1, channels: 1, pending_handlers: 1 })
  const ended = new Promise((resolve) => server.app.ws.on('client_disconnected', resolve))
  client.socket.send('[]')
  client.socket.send('[]')
  t.equal((await client.closed).code, 1008)
  await ended
  const big = await server.connect('alice')
  big.socket.send('x'.repeat(1_001))
  t.equal((await big.closed).code, 1009)
  t.same(counted(), { connections: 1, depth: 1, channels: 1, pending_handlers: 1, errors: 1, payload: 1 })
})

t.test('an upgrade that asks for too many channels is counted as channels, with the channel of its URL and those of an endpoint', async (t) => {
  const server = await startApp(t, { limits: { maxChannelsPerConnection: 1 }, authorizeSubscribe: () => true }, {
    after: ({ ws }) => {
      ws.endpoint('/rooms', { channels: ['a', 'b'], authorize: () => true })
      ws.endpoint('/room', { channels: ['a'], authorize: () => true })
    }
  })
  for (const path of ['/rooms', '/room?channel_id=b']) {
    t.equal((await refusal(server.dial('alice', { path }))).statusCode, 429, path)
  }
  t.equal(server.app.ws.getStatus().rejected.channels, 2)
})
