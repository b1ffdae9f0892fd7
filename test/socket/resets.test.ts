import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { SECRET, startApp, type TestApp } from '../fixtures/app.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'
import { forge } from '../fixtures/tokens.js'

const ROUNDS = 30

/** A server that counts its TCP connections, those that ended and what was announced. */
async function counted (t: Test, options: WsPluginOptions) {
  const announced = { connected: 0, disconnected: 0 }
  const sockets = { came: 0, went: 0, wake: () => {} }
  const server = await startApp(t, { authorizeSubscribe: () => true, ...options }, {
    after: (app) => {
      app.ws.on('client_connected', () => { announced.connected++ })
      app.ws.on('client_disconnected', () => { announced.disconnected++ })
      app.server.on('connection', (socket) => {
        sockets.came++
        socket.once('close', () => {
          sockets.went++
          sockets.wake()
        })
      })
    }
  })
  const allGone = async (): Promise<void> => {
    while (sockets.went < sockets.came) await new Promise<void>((resolve) => { sockets.wake = resolve })
    // Behind the end of the sockets: one more turn through the server.
    await server.app.inject('/ws/health')
  }
  return { server, announced, allGone }
}

async function assertNothingLeft (t: Test, server: TestApp, announced: { connected: number, disconnected: number }): Promise<void> {
  t.match(server.app.ws.getStatus(), { active_connections: 0, users: 0, channels: 0 })
  t.equal(announced.disconnected, announced.connected, 'whoever was announced was taken back')
  t.same(server.logs.filter(({ level }) => level >= 40), [], 'and the log is calm')
  const client = await server.connect('bob', { token: forge({ sub: 'bob' }) })
  t.match(await server.app.ws.broadcast({ type: 'app.news' }), { localRecipients: 1 }, 'the server goes on')
  await client.next('app.news')
}

t.test('sockets that are reset while their upgrade waits leave nothing behind', async (t) => {
  let waiting: Array<() => void> = []
  let isHeld = true
  let wake = () => {}
  const { server, announced, allGone } = await counted(t, {
    jwt: {
      secret: () => isHeld
        ? new Promise((resolve) => {
          waiting.push(() => resolve(SECRET))
          wake()
        })
        : Promise.resolve(SECRET)
    }
  })
  for (const isNoticed of [false, true]) {
    const clients = await Promise.all(Array.from({ length: ROUNDS }, () => RawClient.to(t, server)))
    for (const client of clients) client.upgrade('/ws?channel_id=news', { authorization: `Bearer ${forge({ sub: 'alice' })}` })
    while (waiting.length < ROUNDS) await new Promise<void>((resolve) => { wake = resolve })
    for (const client of clients) client.reset()
    if (isNoticed) await allGone()
    for (const go of waiting) go()
    waiting = []
    await allGone()
  }
  isHeld = false
  await assertNothingLeft(t, server, announced)
})

t.test('sockets that are reset before their refusal is written leave nothing behind', async (t) => {
  for (const rejectMode of ['http', 'close'] as const) {
    const { server, announced, allGone } = await counted(t, { rejectMode })
    for (let round = 0; round < ROUNDS; round++) {
      const client = await RawClient.to(t, server)
      client.upgrade('/ws', { authorization: 'Bearer bad' })
      client.socket.once('data', () => client.reset())
      if (round % 2 === 0) setImmediate(() => client.reset())
      await client.ended
    }
    await allGone()
    t.equal(announced.connected, 0)
    await assertNothingLeft(t, server, announced)
  }
})

t.test('sockets that are reset at any moment of their first milliseconds leave nothing behind', async (t) => {
  const { server, announced, allGone } = await counted(t, { auth: { firstFrame: true }, jwt: { secret: async () => SECRET } })
  const token = forge({ sub: 'alice' })
  const frames = [{ type: 'auth', token }, { type: 'subscribe', channel_ids: ['a', 'b'] }, { type: 'change_user', token: forge({ sub: 'bob' }) }, { type: 'ping', id: 1 }]
  const all = Buffer.concat(frames.map((frame) => maskedFrame(opcodes.text, JSON.stringify(frame))))
  const moments: Array<(client: RawClient, reset: () => void) => void> = [
    (_client, reset) => reset(),
    (_client, reset) => setImmediate(reset),
    (_client, reset) => setImmediate(() => setImmediate(reset)),
    (client, reset) => client.socket.once('data', reset),
    (client, reset) => client.socket.once('data', () => setImmediate(reset))
  ]
  for (let round = 0; round < ROUNDS; round++) {
    const client = await RawClient.to(t, server)
    client.upgrade('/ws?channel_id=c', {}, all.subarray(0, round % 3 === 0 ? all.length - 3 : all.length))
    moments[round % moments.length]!(client, () => client.reset())
    await client.ended
  }
  await allGone()
  await assertNothingLeft(t, server, announced)
})

t.test('a socket that ends without a close frame is a disconnect with 1006', async (t) => {
  const server = await startApp(t)
  const ended = new Promise<number>((resolve) => server.app.ws.on('client_disconnected', ({ code }) => resolve(code)))
  const client = await RawClient.open(t, server, 'alice')
  client.socket.end()
  t.equal(await ended, 1006)
  t.equal(server.app.ws.getConnectionCount(), 0)
})

t.test('a client\'s own close frame is answered, and its code and reason are reported', async (t) => {
  const server = await startApp(t)
  const ended = new Promise((resolve) => server.app.ws.on('client_disconnected', resolve))
  const client = await server.connect('alice')
  client.socket.close(4000, 'good night')
  t.match(await client.closed, { code: 4000 })
  t.match(await ended, { client: { id: client.id, user: { id: 'alice' } }, code: 4000, reason: 'good night' })
})
