import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure } from '../fixtures/attacks.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'

const EACH = amount({ short: 20, long: 300 })
const DRAIN_MS = 1_000
const CLOSE_MS = 1_000
/** The last second is for sockets that were destroyed; what a busy machine needs is on top. */
const BOUND_MS = DRAIN_MS + CLOSE_MS + 1_000
const SLACK_MS = 2_000

const request = (line: string) => `${line} HTTP/1.1\r\nhost: 127.0.0.1\r\n`

/** What a client does before the server closes, and then never anything more. */
const clients: Record<string, (client: RawClient, server: AttackedServer) => Promise<unknown> | void> = {
  'connects and says nothing': () => {},
  'begins a request': ({ socket }) => { socket.write('GET /w') },
  'begins an upgrade': ({ socket }) => { socket.write(`${request('GET /ws')}connection: upgrade\r\nupgrade: websocket\r\n`) },
  'begins a body': ({ socket }, server) => {
    socket.write(`${request('POST /ws/broadcast')}authorization: Bearer ${server.token('admin', { roles: ['ws:admin'] })}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`)
  },
  'keeps a connection alive': async (client) => {
    client.socket.write(`${request('GET /ws/health')}\r\n`)
    await client.response()
  },
  'answers no close frame': async (client, server) => {
    client.upgrade('/ws', { authorization: `Bearer ${server.token('mallory')}` })
    await client.response()
  },
  'never authenticates': async (client) => {
    client.upgrade('/ws')
    await client.response()
  },
  'begins a frame': async (client, server) => {
    client.upgrade('/ws', { authorization: `Bearer ${server.token('mallory')}` })
    await client.response()
    client.socket.write(maskedFrame(opcodes.text, 'x'.repeat(1_000)).subarray(0, 500))
  },
  'never reads': async (client, server) => {
    client.upgrade('/ws', { authorization: `Bearer ${server.token('mallory')}` })
    await client.response()
    client.socket.pause()
    for (let i = 0; i < 90; i++) client.send(opcodes.text, JSON.stringify({ type: 'app.merge', id: i, text: 'x'.repeat(10_000) }))
  },
  'waits for a handler': async (client, server) => {
    client.upgrade('/ws', { authorization: `Bearer ${server.token('mallory')}` })
    await client.response()
    for (let i = 0; i < 90; i++) client.send(opcodes.text, JSON.stringify({ type: 'app.wait', id: i }))
  }
}

t.test('the server closes and its process ends in time, whatever its clients do', { timeout: 120_000 }, async (t) => {
  const server = await AttackedServer.start(t, {
    auth: { firstFrame: true, timeoutMs: 600_000 },
    drain: { timeoutMs: DRAIN_MS },
    closeTimeoutMs: CLOSE_MS,
    limits: { maxConnections: 10_000, maxConnectionsPerUser: 10_000, maxUnauthenticated: 10_000, maxUnauthenticatedPerIp: 10_000 }
  })
  const all: RawClient[] = []
  for (const behave of Object.values(clients)) {
    all.push(...await Promise.all(Array.from({ length: EACH }, async () => {
      const client = await RawClient.to(t, server)
      await behave(client, server)
      return client
    })))
  }
  const honest = await server.connect('alice')
  await honest.settled()
  await setTimeout(100)
  const start = performance.now()
  const exited = once(server.child, 'exit')
  const closed = await Promise.race([server.ask('close'), setTimeout(BOUND_MS + SLACK_MS + 5_000, null, { ref: false })])
  t.ok(closed !== null && closed <= BOUND_MS + SLACK_MS, `app.close() took ${closed === null ? 'for ever' : closed.toFixed(0)} ms of ${BOUND_MS}`)
  t.equal((await honest.closed).code, 1001, 'who answers is told')
  if (closed === null) return
  server.child.disconnect()
  t.same(await exited, [0, null], 'nothing is left that keeps the process alive')
  const total = performance.now() - start
  for (const client of all) {
    client.socket.resume()
    await client.ended
  }
  figure(t, 'shutdown', `${EACH} clients of each of ${Object.keys(clients).length} kinds: app.close() took ${(closed / 1000).toFixed(1)} s of ${BOUND_MS / 1000} s, the process ended after ${(total / 1000).toFixed(1)} s`)
})
