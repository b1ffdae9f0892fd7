import Fastify from 'fastify'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import wsPlugin from '../../lib/index.js'
import { createTestClient } from '../../client/testing.js'
import { SECRET } from '../fixtures/app.js'

t.test('an app is tested without any socket code', async (t) => {
  const app = Fastify({ requestTimeout: 30_000 })
  await app.register(wsPlugin, { jwt: { secret: SECRET }, authorizeSubscribe: () => true })
  app.ws.handle('chat.send', { schema: Type.Object({ text: Type.String() }) }, async ({ text }, { user }) => {
    await app.ws.sendToChannel('room', { type: 'chat.message', text, by: user.id })
  })
  const [alice, bob] = await Promise.all([createTestClient(app, { user: 'alice' }), createTestClient(app, { user: 'bob', claims: { roles: ['editor'] } })])
  const room = bob.channel('room')
  await new Promise((resolve) => { room.on('status', (status) => { if (status === 'live') resolve(null) }) })
  await alice.call('chat.send', { text: 'one' })
  await alice.call('chat.send', { text: 'two' })
  t.match(await bob.next('chat.message'), { text: 'one', by: 'alice' })
  t.match(await bob.next('chat.message'), { text: 'two' })
  await app.ws.broadcast({ type: 'app.other' })
  await t.rejects(bob.next('chat.message', { timeoutMs: 50 }), { code: 'timeout', message: /unread are: app.other/ })
  await t.rejects(createTestClient(app, { token: 'wrong' }), { code: 'signed_out' })
  await t.rejects(createTestClient(app), { code: 'closed', message: /does not let this client in/ })
  await app.close()
  t.equal(alice.status, 'closed')
})
