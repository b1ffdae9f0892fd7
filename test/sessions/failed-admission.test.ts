import t, { type Test } from 'tap'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { startApp } from '../fixtures/app.js'

/** An engine that cannot be reached until `reach` is called, and again from `fail` on. */
function outage (t: Test): { reach: () => void, fail: () => void } {
  const { subscribe } = MemoryEngine.prototype
  let isDown = true
  t.intercept(MemoryEngine.prototype, 'subscribe', {
    value: async function (this: MemoryEngine, topic: string) {
      if (isDown) throw new Error('the engine is out of reach')
      return subscribe.call(this, topic)
    }
  })
  return { reach: () => { isDown = false }, fail: () => { isDown = true } }
}

t.test('a socket whose topics cannot be joined is closed with 1011, and can connect when the engine works again', async (t) => {
  const { reach } = outage(t)
  const server = await startApp(t)
  const events: string[] = []
  for (const event of ['client_connected', 'client_disconnected'] as const) server.app.ws.on(event, () => events.push(event))
  const client = await server.dial('alice').opened()
  t.same(await client.closed, { code: 1011, reason: 'The server could not admit the socket' })
  t.same(client.received, [], 'it was never announced')
  while (server.logs.every(({ msg }) => msg !== 'client disconnected')) await new Promise((resolve) => setImmediate(resolve))
  t.match(server.logs.find(({ level }) => level >= 50), { user_id: 'alice', err: { message: 'the engine is out of reach' } })
  t.match(server.app.ws.getStatus(), { active_connections: 0, users: 0, channels: 0 })
  reach()
  t.same(events, [], 'nor here')
  const again = await server.connect('alice')
  await server.app.ws.sendToUser('alice', { type: 'app.hello' })
  await again.next('app.hello')
})

t.test('a socket whose topics cannot be joined after its first auth frame is closed with 1011', async (t) => {
  outage(t)
  const server = await startApp(t, { auth: { firstFrame: true } })
  const client = await server.dial('alice', { token: null }).opened()
  client.send({ type: 'auth', token: server.token('alice'), id: 1 })
  t.equal((await client.closed).code, 1011)
  t.notMatch(JSON.stringify(client.received), /out of reach/)
  t.equal(client.count('reply'), 0)
})

t.test('a socket that cannot join its new user\'s topics is closed with 1011', async (t) => {
  const { reach, fail } = outage(t)
  reach()
  const server = await startApp(t)
  const client = await server.connect('alice')
  const ended = new Promise((resolve) => server.app.ws.on('client_disconnected', resolve))
  fail()
  t.match(await client.request({ type: 'auth', token: server.token('alice') }), { type: 'reply' }, 'the same user needs nothing new')
  client.send({ type: 'change_user', token: server.token('bob'), id: 1 })
  t.equal((await client.closed).code, 1011)
  await ended
  t.equal(server.app.ws.getStatus().users, 0)
})
