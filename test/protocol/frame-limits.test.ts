import fastifyWebsocket from '@fastify/websocket'
import t, { type Test } from 'tap'
import { startApp, type TestApp } from '../fixtures/app.js'
import type { TestClient } from '../fixtures/client.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'

const MEGABYTE = 1_048_576

/** A ping of so many bytes. */
function pingOf (bytes: number): string {
  return '{"type":"ping"}'.padEnd(bytes, ' ')
}

/** Proves that another socket of the app heard nothing of it, and is served. */
async function assertUntouched (t: Test, server: TestApp, bystander: TestClient) {
  await bystander.settled()
  t.same(bystander.received.map(({ type }) => type), ['connection', 'pong', 'reply'])
  t.equal(server.logs.filter(({ level }) => level >= 50).length, 0, 'nothing to report in the server\'s log')
}

t.test('a frame of limits.maxPayloadBytes is read, a longer one closes its socket with 1009', async (t) => {
  const server = await startApp(t)
  const bystander = await server.connect('bob')
  for (const bytes of [65_537, MEGABYTE]) {
    const client = await server.connect('alice')
    client.socket.send(pingOf(65_536))
    await client.next('pong')
    client.socket.send(pingOf(bytes))
    t.equal((await client.closed).code, 1009)
    t.equal(client.count('error'), 0)
  }
  await assertUntouched(t, server, bystander)
})

t.test('limits.maxPayloadBytes holds where the host registered @fastify/websocket with a larger limit', async (t) => {
  const server = await startApp(t, {}, { before: async (app) => { await app.register(fastifyWebsocket, { options: { maxPayload: 10 * MEGABYTE } }) } })
  const bystander = await server.connect('bob')
  const client = await server.connect('alice')
  client.socket.send(pingOf(65_536))
  await client.next('pong')
  client.socket.send(pingOf(MEGABYTE))
  t.same(await client.closed, { code: 1009, reason: 'The frame is too big' })
  await assertUntouched(t, server, bystander)
})

t.test('a binary frame closes its socket with 1003, and later frames are not read', async (t) => {
  const server = await startApp(t)
  const bystander = await server.connect('bob')
  const client = await server.connect('alice')
  client.socket.send(Buffer.from('{"type":"ping"}'))
  client.send({ type: 'ping' })
  t.same(await client.closed, { code: 1003, reason: 'Binary frames are not understood' })
  t.equal(client.count('pong'), 0)
  await assertUntouched(t, server, bystander)
})

t.test('a fragmented WebSocket message is one frame', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice')
  client.socket.send('{"type":"pi', { fin: false })
  client.socket.send('ng","timesta', { fin: false })
  client.socket.send('mp":5}', { fin: true })
  t.match(await client.next('pong'), { timestamp: 5 })
})

t.test('a violation of the WebSocket protocol closes the socket with the code of RFC 6455', async (t) => {
  const server = await startApp(t)
  const bystander = await server.connect('bob')
  const cases: Array<[string, Buffer, number]> = [
    ['text that is not UTF-8', maskedFrame(opcodes.text, Buffer.from([0x22, 0xc3, 0x28, 0x22])), 1007],
    ['half a surrogate pair in UTF-8', maskedFrame(opcodes.text, Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])), 1007],
    ['an opcode that there is not', maskedFrame(3, 'x'), 1002],
    ['a frame without a mask', Buffer.from([0x81, 0x02, 0x7b, 0x7d]), 1002],
    ['a compressed frame that nobody agreed on', Buffer.from([0xc1, 0x80, 0, 0, 0, 0]), 1002]
  ]
  for (const [name, bytes, code] of cases) {
    const client = await RawClient.open(t, server, 'alice')
    client.socket.write(bytes)
    t.equal(await client.closeCode(), code, name)
  }
  await assertUntouched(t, server, bystander)
})
