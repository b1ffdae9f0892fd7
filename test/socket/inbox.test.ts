import type { Socket } from 'node:net'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { compressed } from '../fixtures/hand-made-frames.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'
import { StallingClient } from '../fixtures/stalling-client.js'
import { until } from '../fixtures/until.js'

const MAX_PENDING_BYTES = 131_072
const PIECE_BYTES = 65_536
const subscribe = { type: 'subscribe', channel_ids: ['slow'] }
/** A frame of so many bytes, which is answered with its id. */
const where = (id: number, bytes = 60_000) => JSON.stringify({ type: 'where.am', id }).padEnd(bytes)

/** An app that allows the channel "slow" when its gate opens; `where.am` says in which channels one is. */
async function start (t: Test, options: WsPluginOptions = {}) {
  const gate = new Gate()
  const sockets: Socket[] = []
  const server = await startApp(t, {
    authorizeSubscribe: async () => {
      await gate.wait()
      return true
    },
    ...options
  }, {
    after: (app) => {
      app.server.on('connection', (socket) => sockets.push(socket))
      app.ws.handle('where.am', { schema: Type.Object({}) }, (_message, { client }) => client!.channels)
    }
  })
  const paused = () => until(() => server.app.ws.getStatus().rejected.pending_bytes > 0)
  return { server, gate, sockets, paused }
}

/** Reads on until an answer with that id. */
async function answered (client: RawClient, id: number): Promise<number[]> {
  const ids: number[] = []
  while (ids.at(-1) !== id) {
    const frame = JSON.parse((await client.frame()).payload.toString())
    if (frame.id !== undefined) ids.push(frame.id)
  }
  return ids
}

t.test('a frame behind a barrier frame is handled when that is done', async (t) => {
  const { server, gate } = await start(t)
  const client = await server.connect('alice')
  client.send({ ...subscribe, id: 1 })
  client.socket.send('{no JSON')
  client.socket.send(where(2))
  await gate.reached
  await (await server.connect('bob')).settled()
  t.same(client.received.map(({ type }) => type), ['connection'])
  gate.open()
  t.match(await client.next(({ id }) => id === 2), { data: ['slow'] })
  t.same(client.received.slice(1).map(({ type, code }) => code ?? type), ['subscribed', 'subscription_confirmed', 'reply', 'bad_json', 'reply'])
})

t.test('a socket with more than limits.maxPendingBytes of waiting frames is paused until they are handled in order', async (t) => {
  const { server, gate, sockets, paused } = await start(t)
  const client = await RawClient.open(t, server, 'alice')
  const before = sockets[0]!.bytesRead
  client.send(opcodes.text, JSON.stringify({ ...subscribe, id: 1 }))
  const ids = Array.from({ length: 60 }, (_, i) => i + 2)
  for (const id of ids) client.send(opcodes.text, where(id))
  await paused()
  await (await server.connect('bob')).settled()
  // Of what Node has read the last piece waits in its stream.
  t.ok(sockets[0]!.bytesRead - before <= MAX_PENDING_BYTES + 60_000 + 2 * PIECE_BYTES, `${sockets[0]!.bytesRead - before} bytes are read`)
  t.equal(server.app.ws.getStatus().rejected.pending_handlers, 0)
  gate.open()
  t.same(await answered(client, ids.at(-1)!), [1, ...ids])
  client.send(opcodes.text, where(99))
  t.same(await answered(client, 99), [99], 'then it is read as ever')
})

t.test('a single frame may be larger than limits.maxPendingBytes', async (t) => {
  const { server, gate, paused } = await start(t, { limits: { maxPendingBytes: 100 } })
  const client = await server.connect('alice')
  client.send({ ...subscribe, id: 1 })
  client.socket.send(where(2))
  client.send({ type: 'ping', id: 3 })
  await paused()
  gate.open()
  t.match(await client.next(({ id }) => id === 3), { type: 'reply' })
})

t.test('a barrier frame holds up the frames behind it, also when it has waited itself', async (t) => {
  const { server, gate } = await start(t, { limits: { maxPendingBytes: 100 } })
  const client = await server.connect('alice')
  client.send({ ...subscribe, id: 1 })
  client.send({ type: 'unsubscribe', channel_ids: ['slow'], id: 2 })
  client.send({ ...subscribe, channel_ids: ['other'], id: 3 })
  client.socket.send(where(4))
  client.send({ type: 'unsubscribe', channel_ids: ['other'], id: 5 })
  client.socket.send(where(6))
  await gate.reached
  gate.open()
  t.match(await client.next(({ id }) => id === 4), { data: ['other'] })
  t.match(await client.next(({ id }) => id === 6), { data: [] })
  t.same(client.received.flatMap(({ id }) => id ?? []), [1, 2, 3, 4, 5, 6])
})

t.test('a paused socket is not closed as dead, and its heartbeat resumes afterwards', async (t) => {
  const { server, gate, paused } = await start(t, { heartbeat: { intervalMs: 20, timeoutMs: 200 }, limits: { maxPendingBytes: 100 } })
  const client = await RawClient.open(t, server, 'alice')
  client.send(opcodes.text, JSON.stringify({ ...subscribe, id: 1 }))
  client.send(opcodes.text, where(2))
  await paused()
  // It answers, which nobody reads, and is pinged on and on.
  const since = performance.now()
  let pings = 0
  while (performance.now() - since < 600) {
    const { opcode, payload } = await client.frame()
    t.equal(opcode, opcodes.ping)
    client.send(opcodes.pong, payload)
    pings++
  }
  t.ok(pings > 2)
  gate.open()
  t.same(await answeredBetweenPings(client, 2), [1, 2])
  t.equal(await client.closeCode(), 4408, 'it has fallen silent')
})

/** As `answered`, on a client that is pinged. */
async function answeredBetweenPings (client: RawClient, id: number): Promise<number[]> {
  const ids: number[] = []
  while (ids.at(-1) !== id) {
    const { opcode, payload } = await client.frame()
    const frame = opcode === opcodes.text ? JSON.parse(payload.toString()) : {}
    if (frame.id !== undefined) ids.push(frame.id)
  }
  return ids
}

t.test('a paused socket can be closed, and its waiting frames are dropped', async (t) => {
  const { server, gate, paused } = await start(t, { closeTimeoutMs: 30_000, limits: { maxPendingBytes: 100 } })
  server.app.ws.on('message_received', ({ message }) => { if (message.type === 'where.am') t.fail('a frame was handled') })
  const ended = new Promise<number>((resolve) => server.app.ws.on('client_disconnected', ({ code }) => resolve(code)))
  const client = await server.connect('alice')
  client.send({ ...subscribe, id: 1 })
  for (let id = 2; id < 10; id++) client.socket.send(where(id))
  await paused()
  // Its client answers the close frame behind frames that are not handled.
  t.equal(await server.app.ws.disconnect(client.id), 1)
  t.match(await client.closed, { code: 4403 })
  t.equal(await ended, 4403)
  gate.open()
  await (await server.connect('bob')).settled()
  t.equal(server.app.ws.getConnectionCount(), 1)
})

t.test('a reset of a paused socket is detected by the next ping', async (t) => {
  const { server, paused } = await start(t, { heartbeat: { intervalMs: 20, timeoutMs: 10_000 }, limits: { maxPendingBytes: 100 } })
  const ended = new Promise<void>((resolve) => server.app.ws.on('client_disconnected', () => resolve()))
  const client = await RawClient.open(t, server, 'alice')
  client.send(opcodes.text, JSON.stringify(subscribe))
  client.send(opcodes.text, where(2))
  await paused()
  client.reset()
  await ended
  t.equal(server.app.ws.getConnectionCount(), 0)
})

t.test('frames that a client sent before it disconnected are handled, and leave nothing behind', async (t) => {
  const { server, gate } = await start(t, { channels: { '*': { presence: true } } })
  const handled = new Promise<void>((resolve) => server.app.ws.on('message_received', ({ message }) => { if (message.type === 'where.am') resolve() }))
  const ended = new Promise<void>((resolve) => server.app.ws.on('client_disconnected', () => resolve()))
  const client = await server.connect('alice')
  client.send(subscribe)
  client.send({ ...subscribe, channel_ids: ['other'] })
  client.socket.send(where(1))
  await gate.reached
  await client.close()
  await ended
  gate.open()
  await handled
  for (const channel of ['slow', 'other']) t.same(await server.app.ws.presence(channel), { clients: 0, users: [] })
  t.match(server.app.ws.getStatus(), { active_connections: 0, channels: 0 })
})

t.test('compressed frames that keep arriving on a paused socket are refused', async (t) => {
  const { server, gate, paused } = await start(t, { compression: { enabled: true } })
  const client = await RawClient.to(t, server)
  client.upgrade('/ws', { authorization: `Bearer ${server.token('alice')}`, 'sec-websocket-extensions': 'permessage-deflate' })
  await client.response()
  await client.frame()
  // All of them in one piece.
  const ids = Array.from({ length: 20 }, (_, i) => i + 2)
  client.socket.write(Buffer.concat([maskedFrame(opcodes.text, JSON.stringify({ ...subscribe, id: 1 })), ...ids.map((id) => compressed(where(id)))]))
  await paused()
  await until(() => server.app.ws.getStatus().rejected.pending_handlers > 0)
  const refused = await answered(client, ids.at(-1)!)
  gate.open()
  const taken = await answered(client, Math.max(...ids.filter((id) => !refused.includes(id))))
  t.same([...taken, ...refused].sort((a, b) => a - b), [1, ...ids], 'each has its answer')
  t.ok(taken.length * 60_000 <= MAX_PENDING_BYTES + 60_000 + PIECE_BYTES + 60_000, `${taken.length} have waited`)
})

t.test('a paused client that reads nothing itself is closed when its pong is overdue', async (t) => {
  const server = await startApp(t, {
    authorizeSubscribe: () => true, heartbeat: { intervalMs: 100, timeoutMs: 100 }, closeTimeoutMs: 100, limits: { maxQueueBytes: 200_000 }
  })
  const { ws } = server.app
  for (let n = 0; n < 250; n++) await ws.sendToChannel('long', { type: 'app.long', text: 'x'.repeat(60_000) })
  const { position: { epoch } } = await ws.history('channel:long')
  const ended = new Promise<{ code: number }>((resolve) => ws.on('client_disconnected', resolve))
  const client = await StallingClient.open(server.origin, server.token('alice'))
  client.stall()
  const send = (text: string) => client.socket.write(maskedFrame(opcodes.text, Buffer.from(text)))
  send(JSON.stringify({ type: 'subscribe', channel_ids: ['long'], recover: { long: { epoch, offset: 0 } } }))
  for (let n = 0; n < 6; n++) send(where(n))
  t.match(await ended, { code: 1006 })
  t.ok(ws.getStatus().rejected.pending_bytes > 0)
})
