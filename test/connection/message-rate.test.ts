import t from 'tap'
import { MessageRate } from '../../lib/connection/message-rate.js'
import { startApp } from '../fixtures/app.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'

t.test('a burst, and then so many a second', (t) => {
  const rate = new MessageRate(20, 100)
  const socket = { heardAt: 1_000_000, dueAt: 0 }
  const send = (times: number) => Array.from({ length: times }, () => rate.take(socket)).filter(Boolean).length
  t.equal(send(150), 100)
  t.equal(rate.waitMs(socket), 50)
  socket.heardAt += 49
  t.equal(send(1), 0)
  t.equal(rate.waitMs(socket), 1)
  socket.heardAt += 1
  t.equal(send(5), 1)
  socket.heardAt += 1_000
  t.equal(send(50), 20)
  socket.heardAt += 3_600_000
  t.equal(send(150), 100, 'what is not used does not add up beyond the burst')
  t.end()
})

t.test('over a long time it is the rate, to the frame', (t) => {
  const rate = new MessageRate(20, 5)
  const socket = { heardAt: 0, dueAt: 0 }
  let taken = 0
  for (; socket.heardAt < 100_000; socket.heardAt += 7) if (rate.take(socket)) taken++
  t.ok(Math.abs(taken - 2_004) <= 1, `${taken} in 100 s`)
  t.end()
})

t.test('0 is no limit, and costs nothing', (t) => {
  const rate = new MessageRate(0, 1)
  const socket = { heardAt: 5, dueAt: 0 }
  const limited = new MessageRate(10_000_000, 10_000_000)
  for (const each of [rate, limited]) {
    const start = performance.now()
    let taken = 0
    for (let i = 0; i < 1_000_000; i++) if (each.take(socket)) taken++
    const ns = performance.now() - start
    t.equal(taken, 1_000_000)
    t.ok(ns < 200, `${ns.toFixed(1)} ns a frame`)
  }
  t.end()
})

t.test('a frame too many is an error with its id, and not handled', async (t) => {
  const server = await startApp(t, { limits: { messagesPerSecond: 1, burst: 3 } })
  const client = await server.connect('alice')
  const bystander = await server.connect('alice')
  for (let i = 0; i < 3; i++) t.match(await client.request({ type: 'ping' }), { type: 'reply' })
  const answer = await client.request({ type: 'ping' })
  t.match(answer, { type: 'error', code: 'rate_limited', details: { retry_after_ms: Number } })
  t.ok(answer.details.retry_after_ms > 0 && answer.details.retry_after_ms <= 1_000)
  await new Promise((resolve) => setTimeout(resolve, answer.details.retry_after_ms + 5))
  t.match(await client.request({ type: 'ping' }), { type: 'reply' }, 'after the wait it goes on')
  t.match(await bystander.request({ type: 'ping' }), { type: 'reply' }, 'every socket has its own')
  t.equal(server.app.ws.getStatus().rejected.messages, 1)
})

t.test('who goes on is closed with 1008, as for any tenth error', async (t) => {
  const server = await startApp(t, { limits: { messagesPerSecond: 1, burst: 5 } })
  const client = await server.connect('alice')
  for (let i = 0; i < 100; i++) client.send({ type: 'ping', id: i })
  t.match(await client.closed, { code: 1008 })
  t.equal(client.count('error'), 10)
  t.match(server.app.ws.getStatus().rejected, { messages: 10, errors: 1 })
})

t.test('pings of the protocol count, since each is answered', async (t) => {
  const server = await startApp(t, { limits: { messagesPerSecond: 1, burst: 5 } })
  const client = await RawClient.open(t, server, 'alice')
  for (let i = 0; i < 10; i++) client.socket.write(maskedFrame(opcodes.ping, 'x'))
  t.equal(await client.closeCode(), 1008)
  t.equal(server.app.ws.getStatus().rejected.messages, 1)
  const patient = await RawClient.open(t, server, 'alice')
  patient.socket.write(maskedFrame(opcodes.ping, 'hello'))
  t.match(await patient.frame(), { opcode: opcodes.pong })
})
