import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import type { SendOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { FakeClock } from '../fixtures/fake-clock.js'
import { memoryOptions } from '../fixtures/memory.js'
import { RawClient } from '../fixtures/raw-client.js'
import { nodeOn } from '../fixtures/node.js'

/** An app with two sockets of alice and one of bob; the first of alice and bob are in the channel "room". */
async function startParty (t: Test) {
  const server = await startApp(t)
  const { ws } = server.app
  const alice = await server.connect('alice')
  const alice2 = await server.connect('alice')
  const bob = await server.connect('bob')
  await ws.join(alice.id, 'room')
  await ws.join(bob.id, 'room')
  /** Who has got the message of that number, as [alice, alice2, bob]. */
  const got = async (n: number) => {
    const clients = [alice, alice2, bob]
    for (const client of clients) await client.settled()
    return clients.map((client) => client.received.filter((frame) => frame.n === n).length)
  }
  return { server, ws, alice, alice2, bob, got }
}

t.test('a message reaches exactly its recipients, and the report counts them', async (t) => {
  const { ws, alice2, bob, got } = await startParty(t)
  t.match(await ws.broadcast({ type: 'x.y', n: 1 }), { localRecipients: 3 })
  t.same(await got(1), [1, 1, 1])
  t.match(await ws.sendToUser('alice', { type: 'x.y', n: 2 }), { localRecipients: 2 })
  t.same(await got(2), [1, 1, 0])
  t.match(await ws.sendToChannel('room', { type: 'x.y', n: 3 }), { localRecipients: 2 })
  t.same(await got(3), [1, 0, 1])
  t.same(await ws.sendToClient(alice2.id, { type: 'x.y', n: 4 }), { recipients: 1 })
  t.same(await got(4), [0, 1, 0])
  await ws.leave(bob.id, 'room')
  t.match(await ws.sendToChannel('room', { type: 'x.y', n: 5 }), { localRecipients: 1 })
  t.same(await got(5), [1, 0, 0])
})

t.test('a delivery report has the message\'s position, acknowledged or not, and null if it is not kept', async (t) => {
  const { ws, alice } = await startParty(t)
  for (const send of [
    (options: SendOptions) => ws.broadcast({ type: 'x.y' }, options),
    (options: SendOptions) => ws.sendToUser('alice', { type: 'x.y' }, options),
    (options: SendOptions) => ws.sendToChannel('room', { type: 'x.y' }, options)
  ]) {
    for (const ack of [undefined, { timeoutMs: 1, tries: 1 }]) {
      const { position } = await send({ ...ack && { ack } })
      const { topic, epoch, offset } = alice.streamOf(await alice.next('x.y'))!
      t.same(position, { epoch, offset })
      t.equal((await send({ ...ack && { ack }, history: false })).position, null)
      t.strictSame(alice.streamOf(await alice.next('x.y')), { topic })
    }
  }
})

t.test('a message to a topic without members reaches no socket', async (t) => {
  const { ws, bob, got } = await startParty(t)
  t.match(await ws.sendToUser('carol', { type: 'x.y', n: 1 }), { localRecipients: 0 })
  await t.rejects(async () => ws.sendToUser('', { type: 'x.y', n: 1 }), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  t.match(await ws.sendToUser('all', { type: 'x.y', n: 1 }), { localRecipients: 0 })
  t.match(await ws.sendToChannel('lobby', { type: 'x.y', n: 1 }), { localRecipients: 0 })
  t.match(await ws.sendToChannel('user:bob', { type: 'x.y', n: 1 }), { localRecipients: 0 }, 'names of users and channels do not meet')
  t.same(await ws.sendToClient('bob', { type: 'x.y', n: 1 }), { recipients: 0 })
  t.same(await ws.sendToClient(bob.id.toUpperCase(), { type: 'x.y', n: 1 }), { recipients: 0 })
  t.same(await got(1), [0, 0, 0])
})

t.test('except excludes sockets from every kind of send', async (t) => {
  const { ws, alice, alice2, bob, got } = await startParty(t)
  t.match(await ws.broadcast({ type: 'x.y', n: 1 }, { except: [alice2.id, bob.id, 'gone'] }), { localRecipients: 1 })
  t.same(await got(1), [1, 0, 0])
  t.match(await ws.sendToUser('alice', { type: 'x.y', n: 2 }, { except: [alice.id] }), { localRecipients: 1 })
  t.same(await got(2), [0, 1, 0])
  t.match(await ws.sendToChannel('room', { type: 'x.y', n: 3 }, { except: [bob.id] }), { localRecipients: 1 })
  t.same(await got(3), [1, 0, 0])
  t.match(await ws.broadcast({ type: 'x.y', n: 4 }, { except: [] }), { localRecipients: 3 })
  t.match(await ws.broadcast({ type: 'x.y', n: 5 }, { except: [alice.id, alice2.id, bob.id] }), { localRecipients: 0 })
  t.same(await got(5), [0, 0, 0])
})

t.test('one message object is sent to all recipients and not modified', async (t) => {
  const { ws, alice, bob } = await startParty(t)
  const message = Object.freeze({ type: 'x.y', n: 1, nested: Object.freeze({ list: Object.freeze([1]) }) })
  await ws.sendToUser('alice', message)
  await ws.sendToUser('bob', message)
  for (const client of [alice, bob]) t.same(await client.next('x.y'), message)
  const changing = { type: 'x.y', n: 2 }
  const sent = ws.broadcast(changing)
  changing.n = 3
  await sent
  t.match(await alice.next('x.y'), { n: 2 }, 'what is sent is what it was when it was sent')
})

t.test('messages to one socket keep their order across all kinds of send', async (t) => {
  const { ws, alice } = await startParty(t)
  const ways = [
    (n: number) => ws.broadcast({ type: 'x.y', n }),
    (n: number) => ws.sendToUser('alice', { type: 'x.y', n }),
    (n: number) => ws.sendToChannel('room', { type: 'x.y', n }),
    (n: number) => ws.sendToClient(alice.id, { type: 'x.y', n })
  ]
  await Promise.all(Array.from({ length: 200 }, (_, n) => ways[n % 4]!(n)))
  await alice.settled()
  t.same(alice.received.filter(({ type }) => type === 'x.y').map(({ n }) => n), Array.from({ length: 200 }, (_, n) => n))
})

t.test('a closing socket receives no message and is not counted as a recipient', async (t) => {
  const { server, ws, alice2, got } = await startParty(t)
  // It never answers the close frame, so that the server waits for it.
  const silent = await RawClient.open(t, server, 'alice')
  const [record] = (await server.rest('GET', '/ws/clients?user_id=alice')).body.clients.slice(-1)
  await ws.join(record.client_id, 'room')
  t.match(await ws.sendToUser('alice', { type: 'x.y', n: 1 }), { localRecipients: 3 })
  t.equal(await ws.disconnect(record.client_id), 1)
  t.match(await ws.sendToUser('alice', { type: 'x.y', n: 2 }), { localRecipients: 2 })
  t.match(await ws.broadcast({ type: 'x.y', n: 3 }), { localRecipients: 3 })
  t.match(await ws.sendToChannel('room', { type: 'x.y', n: 4 }), { localRecipients: 2 })
  t.same(await ws.sendToClient(record.client_id, { type: 'x.y', n: 5 }), { recipients: 0 })
  t.same(await got(2), [1, 1, 0])
  t.match(JSON.parse((await silent.frame()).payload.toString()), { n: 1 })
  t.equal(await silent.closeCode(), 4403, 'nothing lies between the last message and the close frame')
  await alice2.close()
  t.match(await ws.sendToUser('alice', { type: 'x.y', n: 6 }), { localRecipients: 1 })
})

t.test('an unauthenticated socket receives no message and is not counted as a recipient', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true } })
  const { ws } = server.app
  const client = await server.dial('alice', { token: null }).opened()
  await client.settled()
  t.match(await ws.broadcast({ type: 'x.y', n: 1 }), { localRecipients: 0 })
  client.send({ type: 'auth', token: server.token('alice') })
  const { data } = await client.next('connection')
  t.match(await ws.broadcast({ type: 'x.y', n: 2 }), { localRecipients: 1 })
  t.same(await ws.sendToClient(data.client_id, { type: 'x.y', n: 3 }), { recipients: 1 })
  await client.settled()
  t.same(client.received.filter(({ type }) => type === 'x.y').map(({ n }) => n), [2, 3])
})

t.test('the report of a send that may not reach other nodes has complete false, acknowledged or not', async (t) => {
  const engine = new MemoryEngine(memoryOptions())
  t.teardown(() => engine.close())
  const { node: { publisher } } = nodeOn(engine)
  const send = (options: SendOptions) => publisher.publish('all', { type: 'x.y' }, { history: false, ...options })
  const report = { localRecipients: 0, position: null }
  for (const complete of [true, false]) {
    t.intercept(engine, 'pass', { value: async () => complete })
    t.strictSame(await send({}), complete ? report : { ...report, complete })
    t.strictSame(await send({ ack: {} }), { ...report, acked: [], missing: [], ...!complete && { complete } })
  }
})

t.test('an acknowledged send waits for other nodes as long as for its acknowledgements, plus a short margin', async (t) => {
  const engine = new MemoryEngine(memoryOptions())
  t.teardown(() => engine.close())
  const asked = t.capture(engine.cluster, 'ask', async () => ({ answers: [], missing: [] }))
  const { node: { publisher } } = nodeOn(engine)
  const ack = { timeoutMs: 60_000, tries: 4 }
  t.same(await publisher.sendToClient('elsewhere', { type: 'x.y' }, { ack }), { recipients: 0, acked: [], missing: [] })
  await publisher.publish('all', { type: 'x.y' }, { ack })
  await publisher.sendToClient('elsewhere', { type: 'x.y' })
  t.strictSame(asked().map(({ args }) => args as unknown as [string, object, number]).map(([kind, , timeoutMs]) => [kind, timeoutMs]), [['send', 60_500], ['expect', 60_500], ['send', 2_000]])
})

t.test('an acknowledged send ends in time if another node does not answer', async (t) => {
  const engine = new MemoryEngine(memoryOptions())
  t.teardown(() => engine.close())
  const clock = new FakeClock(t)
  t.intercept(engine.cluster, 'ask', { value: (_kind: string, _data: unknown, timeoutMs: number) => new Promise((resolve) => setTimeout(() => resolve({ answers: [], missing: ['dead'] }), timeoutMs)) })
  const { node: { publisher } } = nodeOn(engine)
  const report = publisher.publish('all', { type: 'x.y' }, { history: false, ack: { timeoutMs: 3_000, tries: 3 } })
  await setImmediate()
  clock.advance(3_500)
  t.strictSame(await report, { localRecipients: 0, position: null, acked: [], missing: [], complete: false })
})

t.test('sendToClient reports an unknown socket as not found only if all nodes have answered', async (t) => {
  const engine = new MemoryEngine(memoryOptions())
  const server = await startApp(t, { engine: async () => engine })
  const { ws } = server.app
  const body = { message: { type: 'x.y' } }
  for (const missing of [['dead'], null, []]) {
    t.intercept(engine.cluster, 'ask', { value: async () => ({ answers: [], missing }) })
    const isKnown = missing?.length === 0
    t.strictSame(await ws.sendToClient('gone', body.message), { recipients: 0, ...!isKnown && { complete: false } })
    t.match(await server.rest('POST', '/ws/clients/gone/messages', { body }), isKnown ? { status: 404 } : { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
  }
})
