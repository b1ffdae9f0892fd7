import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { RedisCluster } from '../../lib/engine/redis/cluster.js'
import { redis } from '../../lib/engine/redis/redis.js'
import type { ClientDeliveryReport, DeliveryReport } from '../../lib/index.js'
import { acknowledging } from '../fixtures/acknowledging.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import type { TestClient } from '../fixtures/client.js'
import { withoutPosition } from '../fixtures/delivery-report.js'
import { ENGINE } from '../fixtures/engine-suite.js'
import { RedisServer } from '../fixtures/redis.js'
import { until } from '../fixtures/until.js'

const server = await RedisServer.start(t)
let prefixes = 0

type Nodes = [a: TestApp, b: TestApp, c: TestApp]

/** Three nodes that share what they know. */
async function startNodes (t: Test): Promise<Nodes> {
  const engine = redis({ port: server.port, host: '127.0.0.1' }, { prefix: `handovers-${prefixes++}` })
  return Promise.all([0, 1, 2].map(() => startApp(t, { authorizeSubscribe: () => true, engine }))) as Promise<Nodes>
}

const MESSAGE = { type: 'x.y' }
const patient = { ack: { timeoutMs: 60_000 } }
/** Resolves when the socket has ended and its node knows. */
async function leave (node: TestApp, client: TestClient): Promise<void> {
  await client.close()
  await until(() => node.app.ws.getConnectionCount() === 0)
}

/** Nodes hear what a node asks in order: resolves when the others know what this one waits for. */
const heard = (node: TestApp) => node.app.ws.getStatus({ cluster: true })

t.test('a client that reconnects to another node can acknowledge there, whichever node sent the message', async (t) => {
  const [a, b, c] = await startNodes(t)
  for (const [sender, send] of [
    [a, () => a.app.ws.sendToUser('alice', MESSAGE, patient)],
    [b, () => b.app.ws.sendToUser('alice', MESSAGE, patient)],
    [c, () => c.app.ws.sendToChannel('room', MESSAGE, patient)],
    [a, (id) => a.app.ws.sendToClient(id, MESSAGE, patient)]
  ] as [TestApp, (id: string) => Promise<ClientDeliveryReport | DeliveryReport>][]) {
    const before = await b.connect('alice', { path: '/ws?channel_id=room' })
    const report = send(before.id)
    const { message_id: id } = await before.next('x.y')
    await heard(sender)
    await leave(b, before)
    const other = acknowledging(await c.connect('bob', { path: '/ws?channel_id=room' }))
    const after = acknowledging(await c.connect('alice', { path: '/ws?channel_id=room' }))
    t.match(await report, { acked: [after.id] })
    t.same((await report).missing, [])
    await after.settled()
    await other.settled()
    t.strictSame(after.received.filter(({ type }) => type === 'x.y').map(({ message_id: id }) => id), [id])
    t.equal(other.count('x.y'), 0)
    await other.close()
    await leave(c, after)
  }
})

t.test('a socket that the app removes from the channel as soon as it has joined takes over nothing', async (t) => {
  const [a, b, c] = await startNodes(t)
  const room = { path: '/ws?channel_id=room' }
  const before = await b.connect('alice', room)
  const report = a.app.ws.sendToChannel('room', MESSAGE, patient)
  const { message_id: id } = await before.next('x.y')
  await heard(a)
  await leave(b, before)
  let isRemoving = true
  c.app.ws.on('client_connected', ({ client }) => { if (isRemoving) c.app.ws.leave(client.id, 'room') })
  const removed = await c.connect('alice', room)
  await removed.settled()
  t.equal(removed.count('x.y'), 0)
  isRemoving = false
  const after = acknowledging(await c.connect('alice', room))
  t.match(await report, { acked: [after.id] })
  t.equal(after.received.find(({ type }) => type === 'x.y')!.message_id, id)
})

t.test('a client that reconnects to another node before its old socket ends takes over the acknowledgement afterwards', async (t) => {
  const [a, b, c] = await startNodes(t)
  const early = await c.connect('alice')
  const before = await b.connect('alice')
  const report = a.app.ws.sendToUser('alice', MESSAGE, patient)
  for (const client of [early, before]) await client.next('x.y')
  await heard(a)
  // Who came before the message has a place of its own; how long ago that was is known as exactly as the network is fast.
  await setTimeout(1_000)
  const after = await c.connect('alice')
  await before.close()
  await after.next('x.y')
  await early.settled()
  t.equal(early.count('x.y'), 1, 'it has a place of its own')
  acknowledging(early)
  acknowledging(after)
  t.same(new Set((await report).acked), new Set([early.id, after.id]))
})

t.test('an acknowledgement on another node counts, even if it arrives before the old node notices the disconnect', async (t) => {
  const [a, b, c] = await startNodes(t)
  const before = await b.connect('alice')
  const { topic, epoch, offset } = before.received[0]!.data.streams[1]
  const report = a.app.ws.sendToUser('alice', MESSAGE, patient)
  await before.next('x.y')
  const after = acknowledging(await c.connect('alice', { path: `/ws?recover=${encodeURIComponent(JSON.stringify({ [topic]: { epoch, offset } }))}` }))
  await after.next('x.y')
  await after.settled()
  await heard(a)
  await before.close()
  t.same(await withoutPosition(report), { localRecipients: 0, acked: [after.id], missing: [] })
  await after.settled()
  t.equal(after.count('x.y'), 1)
})

t.test('an acknowledgement that a socket sent as another user is not handed over to its current user', async (t) => {
  const [a, b, c] = await startNodes(t)
  const before = await b.connect('alice')
  const other = await c.connect('bob')
  const report = a.app.ws.sendToUser('alice', MESSAGE, { ack: { timeoutMs: 600, tries: 1 } })
  const { message_id: id } = await before.next('x.y')
  await other.request({ type: 'ack', message_id: id })
  await other.request({ type: 'change_user', token: c.token('alice') })
  await heard(a)
  await before.close()
  t.same(await withoutPosition(report), { localRecipients: 0, acked: [], missing: [before.id] })
})

t.test('two sockets that reconnect to two nodes take over one acknowledgement each, and a later one none', async (t) => {
  const [a, b, c] = await startNodes(t)
  const before = [await b.connect('alice'), await b.connect('alice')]
  const report = b.app.ws.sendToUser('alice', MESSAGE, patient)
  for (const client of before) await client.next('x.y')
  for (const client of before) await client.close()
  await until(() => b.app.ws.getConnectionCount() === 0)
  const first = await a.connect('alice')
  await first.next('x.y')
  const second = acknowledging(await c.connect('alice'))
  await second.next('x.y')
  await second.settled()
  acknowledging(first)
  t.same(new Set((await report).acked), new Set([first.id, second.id]))
  const late = [await a.connect('alice'), await c.connect('alice')]
  for (const client of late) {
    await client.settled()
    t.equal(client.count('x.y'), 0)
  }
})

t.test('two sockets that reconnect to one node take over one acknowledgement each', async (t) => {
  const [a, b, c] = await startNodes(t)
  const before = [await b.connect('alice'), await b.connect('alice')]
  const report = a.app.ws.broadcast(MESSAGE, patient)
  for (const client of before) await client.next('x.y')
  await heard(a)
  for (const client of before) await client.close()
  await until(() => b.app.ws.getConnectionCount() === 0)
  const after = [await c.connect('alice'), await c.connect('alice')]
  for (const client of after) await client.next('x.y')
  for (const client of after.reverse()) acknowledging(client)
  t.same(new Set((await report).acked), new Set(after.map(({ id }) => id)))
})

t.test('a socket that switches users after a handover gets no redelivery and cannot acknowledge', async (t) => {
  const [a, b, c] = await startNodes(t)
  const before = await b.connect('alice')
  const report = a.app.ws.broadcast(MESSAGE, { ack: { timeoutMs: 1_200, tries: 4 } })
  await before.next('x.y')
  await heard(a)
  await leave(b, before)
  const after = await c.connect('alice')
  const { message_id: id } = await after.next('x.y')
  await after.request({ type: 'change_user', token: c.token('bob') })
  const count = after.count('x.y')
  await after.request({ type: 'ack', message_id: id })
  t.same(await withoutPosition(report), { localRecipients: 0, acked: [], missing: [before.id] })
  await after.settled()
  t.equal(after.count('x.y'), count)
})

t.test('an acknowledgement taken over on the old node is not handed over to another node', async (t) => {
  const [a, b, c] = await startNodes(t)
  const before = await b.connect('alice')
  const report = a.app.ws.sendToUser('alice', MESSAGE, patient)
  await before.next('x.y')
  await heard(a)
  await leave(b, before)
  const after = await b.connect('alice')
  await after.next('x.y')
  await heard(b)
  const late = await c.connect('alice')
  await late.settled()
  t.equal(late.count('x.y'), 0)
  acknowledging(after)
  t.same(await withoutPosition(report), { localRecipients: 0, acked: [after.id], missing: [] })
})

t.test('the new node redelivers a handed-over message, and the next socket takes over if the first leaves without an answer', async (t) => {
  const [a, b, c] = await startNodes(t)
  const before = await b.connect('alice', { path: '/ws?channel_id=room' })
  const report = a.app.ws.sendToChannel('room', MESSAGE, { ack: { timeoutMs: 10_000, tries: 100 } })
  await before.next('x.y')
  await heard(a)
  await leave(b, before)
  const silent = await c.connect('alice', { path: '/ws?channel_id=room' })
  for (let tries = 0; tries < 3; tries++) await silent.next('x.y')
  await silent.request({ type: 'unsubscribe', channel_ids: ['room'] })
  const after = acknowledging(await c.connect('alice', { path: '/ws?channel_id=room' }))
  t.same(await withoutPosition(report), { localRecipients: 0, acked: [after.id], missing: [] })
})

t.test('an acknowledgement that is not taken over in time is reported as missing, and its offer ends', async (t) => {
  const [a, b, c] = await startNodes(t)
  const before = await b.connect('alice')
  const report = a.app.ws.sendToUser('alice', MESSAGE, { ack: { timeoutMs: 300, tries: 2 } })
  await before.next('x.y')
  await heard(a)
  await leave(b, before)
  t.same(await withoutPosition(report), { localRecipients: 0, acked: [], missing: [before.id] })
  await heard(b)
  const late = await c.connect('alice')
  await late.settled()
  t.equal(late.count('x.y'), 0)
})

t.test('a closing node drops the acknowledgements handed over to it', async (t) => {
  const [a, b, c] = await startNodes(t)
  const before = await b.connect('alice')
  const report = a.app.ws.sendToUser('alice', MESSAGE, { ack: { timeoutMs: 400, tries: 1 } })
  await before.next('x.y')
  await heard(a)
  await leave(b, before)
  const silent = await c.connect('alice')
  await silent.next('x.y')
  await c.app.close()
  t.same(await withoutPosition(report), { localRecipients: 0, acked: [], missing: [before.id] })
})

t.test('a socket that reconnected before a delayed offer arrives takes it over', async (t) => {
  const options = { engine: redis({ port: server.port, host: '127.0.0.1' }, { prefix: 'handovers-late' }) }
  const node = await startApp(t, options)
  const engine = await redis({ port: server.port, host: '127.0.0.1' }, { prefix: 'handovers-late' })({ ...ENGINE, log: node.app.log })
  t.teardown(() => engine.close())
  const sentAt = engine.clock.now() - 50
  const alice = await node.connect('alice')
  const offer = (place: object) => engine.cluster.ask('vacant', {
    topic: 'user:alice', user_id: 'alice', json: JSON.stringify(MESSAGE), age_ms: 0, left_ms: 60_000, again_ms: 60_000, ...place
  }, 2_000)
  await offer({ message_id: 'of a version that does not say when' })
  await alice.settled()
  t.equal(alice.count('x.y'), 0)
  await offer({ message_id: 'late', sent_at: sentAt })
  await alice.next('x.y')
})

t.test('a malformed offer is not served, and a claim by an unknown socket changes nothing', async (t) => {
  const { app } = await startApp(t, { engine: redis({ port: server.port, host: '127.0.0.1' }, { prefix: 'handovers-odd' }) })
  const engine = await redis({ port: server.port, host: '127.0.0.1' }, { prefix: 'handovers-odd' })({ ...ENGINE, log: app.log })
  t.teardown(() => engine.close())
  const place = { message_id: 'm', topic: 'all', user_id: 'u', json: '{"type":"x.y"}', age_ms: 0, left_ms: 60_000, again_ms: 1_000 }
  const missing = [app.ws.getStatus().node_id]
  for (const [kind, request] of [['expect', {}], ['send', {}], ['vacant', { ...place, left_ms: -1 }], ['taken', { message_id: 'm' }]] as const) {
    t.same(await engine.cluster.ask(kind, request, 2_000), { answers: [], missing }, kind)
  }
  for (const [kind, request] of [['taken', { message_id: 'm', user_id: 'u', client_id: 'c' }], ['vacant', place]] as const) {
    t.match(await engine.cluster.ask(kind, request, 2_000), { answers: [{ data: null }], missing: [] }, kind)
  }
})

t.test('the report of an acknowledged send has complete false if a node does not report its acknowledgements', async (t) => {
  const [a] = await startNodes(t)
  const alice = acknowledging(await a.connect('alice'))
  for (const missing of [['gone'], null]) {
    const restore = t.intercept(RedisCluster.prototype, 'ask', { value: async () => ({ answers: [], missing }) })
    t.same(await withoutPosition(a.app.ws.sendToUser('alice', MESSAGE, { ack: {} })), { localRecipients: 1, acked: [alice.id], missing: [], complete: false })
    restore.restore()
  }
})
