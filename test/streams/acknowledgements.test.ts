import t, { type Test } from 'tap'
import type { Connection } from '../../lib/socket/connection.js'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { Acknowledgements, scheduleOf, waitOf } from '../../lib/streams/acknowledgements.js'
import { acknowledging } from '../fixtures/acknowledging.js'
import { startApp } from '../fixtures/app.js'
import type { Frame } from '../fixtures/client.js'
import { withoutPosition } from '../fixtures/delivery-report.js'
import { failPublish } from '../fixtures/failing-publish.js'
import { memoryOptions } from '../fixtures/memory.js'
import { nodeOn } from '../fixtures/node.js'

async function start (t: Test, options: WsPluginOptions = {}) {
  const server = await startApp(t, { authorizeSubscribe: () => true, ...options })
  return { server, ws: server.app.ws }
}

const isAcked = (frame: Frame) => frame.type === 'x.y'
const patient = { ack: { timeoutMs: 60_000 } }

t.test('the report of an acknowledged send lists who acknowledged, for a client, a user, a channel and all', async (t) => {
  const { server, ws } = await start(t)
  const alice = acknowledging(await server.connect('alice'))
  const alice2 = acknowledging(await server.connect('alice'))
  const bob = acknowledging(await server.connect('bob'))
  await ws.join(alice2.id, 'room')
  await ws.join(bob.id, 'room')
  const acked = (...clients: Array<{ id: string }>) => ({ localRecipients: clients.length, acked: clients.map(({ id }) => id), missing: [] })
  t.same(await ws.sendToClient(bob.id, { type: 'x.y' }, patient), { recipients: 1, acked: [bob.id], missing: [] })
  t.same(await withoutPosition(ws.sendToUser('alice', { type: 'x.y' }, patient)), acked(alice, alice2))
  t.same(await withoutPosition(ws.sendToChannel('room', { type: 'x.y' }, patient)), acked(alice2, bob))
  t.same(await withoutPosition(ws.broadcast({ type: 'x.y' }, patient)), acked(alice, alice2, bob))
  t.same(await withoutPosition(ws.broadcast({ type: 'x.y' }, { ack: {}, except: [bob.id] })), acked(alice, alice2))
  const [first, second] = alice2.received.filter(isAcked)
  t.match(first, { message_id: /^[\w-]{36}$/, requires_ack: true })
  t.not(first!.message_id, second!.message_id)
  t.match(await server.rest('POST', '/ws/users/bob/messages', { body: { message: { type: 'x.y' }, options: { ack: { tries: 1 } } } }),
    { status: 200, body: acked(bob) })
})

t.test('an acknowledged send without recipients resolves at once', async (t) => {
  const { ws } = await start(t)
  t.same(await withoutPosition(ws.sendToUser('carol', { type: 'x.y' }, patient)), { localRecipients: 0, acked: [], missing: [] })
  t.same(await ws.sendToClient('gone', { type: 'x.y' }, patient), { recipients: 0, acked: [], missing: [] })
})

t.test('an unacknowledged message is sent again as often as configured, then reported as missing', async (t) => {
  const { server, ws } = await start(t)
  const quick = acknowledging(await server.connect('alice'))
  const silent = await server.connect('alice')
  const report = await withoutPosition(ws.sendToUser('alice', { type: 'x.y', n: 1 }, { ack: { timeoutMs: 60, tries: 3 } }))
  t.same(report, { localRecipients: 2, acked: [quick.id], missing: [silent.id] })
  await quick.settled()
  await silent.settled()
  const copies = silent.received.filter(isAcked)
  t.equal(copies.length, 3)
  t.strictSame(new Set(copies.map(({ message_id: id }) => id)).size, 1)
  t.strictSame(copies.map((copy) => silent.streamOf(copy)?.offset), [1, undefined, undefined])
  t.equal(quick.received.filter(isAcked).length, 1)
  silent.send({ type: 'ack', message_id: copies[0]!.message_id })
  t.match(await silent.request({ type: 'ack', message_id: 'unheard of' }), { type: 'reply', data: null }, 'a late one is harmless')
})

t.test('ack.timeoutMs is the total time of all tries', (t) => {
  t.strictSame(scheduleOf({ timeoutMs: 5_000, tries: 3 }), { timeoutMs: 1_666, retries: 2 }, 'as nodes of version 0.2 know it')
  t.strictSame(scheduleOf({ timeoutMs: 600_000, tries: 1 }), { timeoutMs: 600_000, retries: 0 })
  t.strictSame(scheduleOf({ timeoutMs: 1, tries: 5 }), { timeoutMs: 1, retries: 4 })
  t.equal(waitOf(scheduleOf({ timeoutMs: 5_000, tries: 3 })), 4_998)
  t.end()
})

t.test('a redelivered message carries no stream position', async (t) => {
  const { server, ws } = await start(t)
  const client = await server.connect('alice')
  const report = ws.sendToUser('alice', { type: 'x.y' }, { ack: { timeoutMs: 40, tries: 2 } })
  const first = await client.next('x.y')
  t.match(client.streamOf(first), { topic: 'user:alice', offset: 1 })
  await ws.sendToUser('alice', { type: 'x.later' })
  const again = await client.next('x.y')
  t.equal(again.message_id, first.message_id)
  t.equal(client.streamOf(again), undefined)
  acknowledging(client)
  await report
})

t.test('an acknowledgement of the redelivery counts, and one of another socket does not', async (t) => {
  const { server, ws } = await start(t)
  const alice = await server.connect('alice')
  const bob = await server.connect('bob')
  const report = ws.sendToUser('alice', { type: 'x.y' }, { ack: { timeoutMs: 2_000, tries: 100 } })
  const { message_id: id } = await alice.next('x.y')
  await bob.request({ type: 'ack', message_id: id })
  await alice.next('x.y')
  alice.send({ type: 'ack', message_id: id })
  t.same(await withoutPosition(report), { localRecipients: 1, acked: [alice.id], missing: [] })
})

t.test('a user who reconnects in time gets the message again, and acknowledges for the ended socket', async (t) => {
  const { server, ws } = await start(t)
  for (const send of [
    (id: string) => ws.sendToClient(id, { type: 'x.y' }, patient),
    () => ws.sendToUser('alice', { type: 'x.y' }, patient),
    () => ws.sendToChannel('room', { type: 'x.y' }, patient)
  ]) {
    const before = await server.connect('alice', { path: '/ws?channel_id=room' })
    const report = send(before.id)
    const { message_id: id } = await before.next('x.y')
    await before.close()
    const other = acknowledging(await server.connect('bob', { path: '/ws?channel_id=room' }))
    const after = acknowledging(await server.connect('alice', { path: '/ws?channel_id=room' }))
    t.match(await report, { acked: [after.id] })
    t.same((await report).missing, [])
    await after.settled()
    await other.settled()
    t.strictSame(after.received.filter(isAcked).map(({ message_id: id }) => id), [id])
    t.equal(other.count('x.y'), 0)
    await after.close()
    await other.close()
  }
})

t.test('a user who reconnects gets every message that is awaited, not only the oldest', async (t) => {
  const { server, ws } = await start(t)
  const before = await server.connect('alice')
  const reports = [1, 2, 3].map((n) => ws.sendToUser('alice', { type: 'x.y', n }, patient))
  for (const n of [1, 2, 3]) t.match(await before.next('x.y'), { n })
  await before.close()
  const after = acknowledging(await server.connect('alice'))
  t.match(await Promise.all(reports), [1, 2, 3].map(() => ({ acked: [after.id], missing: [] })))
  t.strictSame(after.received.filter(isAcked).map(({ n }) => n), [1, 2, 3])
})

t.test('a client that recovers an awaited message gets it once, from the history', async (t) => {
  const { server, ws } = await start(t)
  const before = await server.connect('alice')
  const { topic, epoch, offset } = before.received[0]!.data.streams[1]
  const report = ws.sendToUser('alice', { type: 'x.y' }, patient)
  await before.next('x.y')
  await before.close()
  const after = acknowledging(await server.connect('alice', { path: `/ws?recover=${encodeURIComponent(JSON.stringify({ [topic]: { epoch, offset } }))}` }))
  t.same(await after.next('x.y').then(() => after.settled()).then(() => after.count('x.y')), 1)
  t.same(await withoutPosition(report), { localRecipients: 1, acked: [after.id], missing: [] })
})

t.test('a client that reconnects before its old socket ends takes over the acknowledgement afterwards', async (t) => {
  const { server, ws } = await start(t)
  const before = await server.connect('alice')
  const report = ws.sendToUser('alice', { type: 'x.y' }, patient)
  await before.next('x.y')
  const after = acknowledging(await server.connect('alice'))
  await after.settled()
  t.equal(after.count('x.y'), 0, 'the place is not free yet')
  await before.close()
  t.same(await withoutPosition(report), { localRecipients: 1, acked: [after.id], missing: [] })
})

t.test('a message is not redelivered to a socket that has left the topic or switched users', async (t) => {
  const { server, ws } = await start(t)
  const [kicked, switched, anonymous] = [await server.connect('alice'), await server.connect('alice'), await server.connect('carol')]
  for (const { id } of [kicked, switched, anonymous]) await ws.join(id, 'room')
  const report = ws.sendToChannel('room', { type: 'x.y' }, { ack: { timeoutMs: 600, tries: 2 } })
  for (const client of [kicked, switched, anonymous]) await client.next('x.y')
  await ws.leave(kicked.id, 'room')
  await switched.request({ type: 'change_user', token: server.token('bob') })
  await anonymous.close()
  t.same(await withoutPosition(report), { localRecipients: 3, acked: [], missing: [kicked.id, switched.id, anonymous.id] })
  for (const client of [kicked, switched]) {
    await client.settled()
    t.equal(client.count('x.y'), 1)
  }
})

t.test('an acknowledgement of an anonymous socket is never handed over', async (t) => {
  const { server, ws } = await start(t, { auth: { anonymous: true } })
  const nobody = await server.connect('', { token: null })
  const report = ws.sendToClient(nobody.id, { type: 'x.y' }, { ack: { timeoutMs: 100, tries: 1 } })
  await nobody.next('x.y')
  await nobody.close()
  const [other, alice] = [await server.connect('', { token: null }), await server.connect('alice')]
  t.same(await report, { recipients: 1, acked: [], missing: [nobody.id] })
  for (const client of [other, alice]) {
    await client.settled()
    t.equal(client.count('x.y'), 0)
  }
})

t.test('an acknowledged send that fails rejects and awaits nothing', async (t) => {
  const { server, ws } = await start(t)
  await server.connect('alice')
  await t.rejects(ws.sendToUser('alice', { type: 'x.y', message_id: '1' }, patient), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  const { message } = failPublish(t)
  await t.rejects(ws.sendToUser('alice', { type: 'x.y' }, patient), { message })
})

t.test('a closing server ends waits for acknowledgements', async (t) => {
  const { server, ws } = await start(t)
  const alice = await server.connect('alice')
  const report = ws.sendToUser('alice', { type: 'x.y' }, patient)
  await alice.next('x.y')
  await server.app.close()
  t.same(await withoutPosition(report), { localRecipients: 1, acked: [], missing: [alice.id] })
})

t.test('acknowledgements of anonymous sockets are awaited, too', async (t) => {
  const { server, ws } = await start(t, { auth: { anonymous: true } })
  const [quick, silent] = [acknowledging(await server.connect('', { token: null })), await server.connect('', { token: null })]
  const report = await withoutPosition(ws.broadcast({ type: 'x.y' }, { ack: { timeoutMs: 40, tries: 2 } }))
  t.same(report, { localRecipients: 2, acked: [quick.id], missing: [silent.id] })
  await silent.settled()
  t.equal(silent.count('x.y'), 2)
})

t.test('an acknowledgement that arrives before the wait begins counts, and a wait ended before the send stays ended', async (t) => {
  const engine = new MemoryEngine(memoryOptions())
  t.teardown(() => engine.close())
  const acknowledgements = new Acknowledgements(nodeOn(engine).node.topics, engine)
  const connection = { id: 'early', user: { id: 'alice' }, isOpen: true } as unknown as Connection
  const publication = { topic: 'all', json: '{}', isDroppable: false, isCompressible: false }
  acknowledgements.acknowledge('first', connection)
  const first = acknowledgements.expect('first', 'all', [connection], { timeoutMs: 60_000, retries: 0 })
  first.sent(publication, null)
  t.same(await first.report, { acked: ['early'], missing: [] })
  const second = acknowledgements.expect('second', 'all', [connection], { timeoutMs: 1, retries: 0 })
  acknowledgements.close()
  second.sent(publication, null)
  t.same(await second.report, { acked: [], missing: ['early'] })
})

t.test('an early acknowledgement counts for the user that the socket had then', async (t) => {
  const engine = new MemoryEngine(memoryOptions())
  const { node } = nodeOn(engine)
  const acknowledgements = new Acknowledgements(node.topics, engine)
  const connection = { id: 'one', isOpen: true, user: { id: 'alice' } }
  acknowledgements.acknowledge('first', connection as unknown as Connection)
  acknowledgements.acknowledge('second', connection as unknown as Connection)
  const wait = (messageId: string) => {
    const { report, sent } = acknowledgements.expect(messageId, 'all', [connection as unknown as Connection], { timeoutMs: 1, retries: 0 })
    sent({ topic: 'all', json: '{"type":"x.y"}', isDroppable: true, isCompressible: true }, null)
    return report
  }
  t.same(await wait('first'), { acked: ['one'], missing: [] })
  connection.user = { id: 'bob' }
  t.same(await wait('second'), { acked: [], missing: ['one'] })
  acknowledgements.close()
  await engine.close()
})
