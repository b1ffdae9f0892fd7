import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { redis } from '../../lib/engine/redis/redis.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { acknowledging } from '../fixtures/acknowledging.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import type { Frame } from '../fixtures/client.js'
import { questionRead } from '../fixtures/questions.js'
import { RawClient } from '../fixtures/raw-client.js'
import { RedisServer } from '../fixtures/redis.js'
import { until } from '../fixtures/until.js'

const server = await RedisServer.start(t)
let prefixes = 0

/** Apps that share what they know. */
async function startNodes (t: Test, count: number, options: WsPluginOptions = {}, port = server.port): Promise<TestApp[]> {
  const prefix = `test-${prefixes++}`
  return Promise.all(Array.from({ length: count }, () => startApp(t, {
    authorizeSubscribe: () => true, engine: redis({ port, host: '127.0.0.1' }, { prefix, checkMs: 200 }), ...options
  })))
}

t.test('a message sent on one node reaches the sockets of every node, in one stream', async (t) => {
  const [a, b] = await startNodes(t, 2) as [TestApp, TestApp]
  const alice = await a.connect('alice', { path: '/ws?channel_id=room' })
  const bob = await b.connect('bob', { path: '/ws?channel_id=room' })
  await a.app.ws.broadcast({ type: 'x.all' })
  await b.app.ws.sendToChannel('room', { type: 'x.room' })
  const sent = await a.app.ws.sendToUser('bob', { type: 'x.bob' })
  t.same(await a.app.ws.sendToClient(bob.id, { type: 'x.client' }), { recipients: 1 })
  t.same(await a.app.ws.sendToClient('nobody', { type: 'x.client' }), { recipients: 0 })
  for (const type of ['x.all', 'x.room']) {
    const [here, there] = [await alice.next(type), await bob.next(type)]
    t.strictSame(alice.streamOf(here), bob.streamOf(there), type)
  }
  const { topic, ...position } = bob.streamOf(await bob.next('x.bob'))!
  t.match({ topic, ...position }, { topic: 'user:bob', offset: 1 })
  t.same(sent, { localRecipients: 0, position }, 'the sockets of other nodes are not counted')
  await bob.next('x.client')
})

t.test('a client that reconnects to another node gets what it missed', async (t) => {
  const [a, b] = await startNodes(t, 2) as [TestApp, TestApp]
  const before = await a.connect('alice')
  const positions = Object.fromEntries(before.received[0]!.data.streams.map(({ topic, epoch, offset }: Frame) => [topic, { epoch, offset }]))
  await before.close()
  for (let n = 1; n <= 250; n++) await a.app.ws.sendToUser('alice', { type: 'x.n', n })
  const after = await b.connect('alice', { path: `/ws?recover=${encodeURIComponent(JSON.stringify(positions))}` })
  await a.app.ws.sendToUser('alice', { type: 'x.n', n: 251 })
  await after.next((frame) => frame.n === 251)
  t.strictSame(after.received.filter(({ type }) => type === 'x.n').map(({ n }) => n), Array.from({ length: 251 }, (_, i) => i + 1))
})

t.test('a question of one node is answered on another, by socket or REST, and exactly one answer wins', async (t) => {
  const [a, b] = await startNodes(t, 2) as [TestApp, TestApp]
  const alice = await b.connect('alice')
  const ask = () => a.app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task', answer: Type.Object({ gpu: Type.String() }) })
  const first = ask()
  const { callback_id: id } = await alice.next('task_step_result')
  t.match(await alice.request({ type: 'confirm', callback_id: id, proceed: true, answer: { gpu: 7 } }),
    { code: 'invalid_message', details: [{ path: '/answer/gpu', message: 'Expected string' }] }, 'the schema holds on other nodes, too')
  t.match(await alice.request({ type: 'confirm', callback_id: id, proceed: true, answer: { gpu: 'a100' } }), { type: 'reply', data: { outcome: 'confirmed' } })
  t.match(await first, { proceed: true, outcome: 'confirmed', answer: { gpu: 'a100' }, answered_by: { user_id: 'alice', client_id: alice.id } })
  await alice.next('confirmation_closed')
  await alice.settled()
  t.equal(alice.count('confirmation_closed'), 1, 'told once')

  const second = ask()
  const { callback_id: other } = await alice.next('task_step_result')
  const answers = await Promise.all([a, b, a, b].map((node) => node.rest('POST', `/ws/confirmations/${other}`, { as: 'alice', body: { proceed: false } })))
  t.equal(answers.filter(({ status }) => status === 200).length, 1)
  t.equal(answers.filter(({ status }) => status === 409).length, 3)
  t.match(await second, { proceed: false, outcome: 'declined' })
})

t.test('a question outlives the node that asked it', async (t) => {
  const [a, b] = await startNodes(t, 2) as [TestApp, TestApp]
  const asked = a.app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task' })
  const { confirmations: [record] } = await b.app.ws.confirmations.list({ userId: 'alice' })
  const { callback_id: id } = record!
  const [here, there] = [a, b].map(({ app }) => app.ws.confirmations.wait(id))
  const interrupted = { code: 'WSM_ERR_WAIT_INTERRUPTED', statusCode: 503, message: new RegExp(id), details: { callback_id: id } }
  const read = questionRead(t)
  const poll = a.rest('GET', `/ws/confirmations/${id}?wait=60`, { as: 'alice' })
  await read
  const ends = Promise.all([t.rejects(asked, interrupted, 'the code that asked goes with its server'), t.rejects(here!, interrupted)])
  await a.app.close()
  await ends
  t.match(await poll, { status: 200, body: { status: 'pending' } })
  const alice = await b.connect('alice')
  t.match(await alice.next('task_step_result'), { callback_id: record!.callback_id })
  await alice.request({ type: 'confirm', callback_id: record!.callback_id, proceed: true })
  t.match(await there, { proceed: true, outcome: 'confirmed' })
})

t.test('a question of a dead node expires in time, whether anybody reads it or not', async (t) => {
  const [a, b] = await startNodes(t, 2) as [TestApp, TestApp]
  const alice = await b.connect('alice')
  const ask = (onTimeout: 'proceed' | 'cancel') => a.app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: onTimeout, timeoutMs: 300, onTimeout })
  const asked = Promise.all([ask('proceed'), ask('cancel')].map((end) => t.rejects(end, { code: 'WSM_ERR_WAIT_INTERRUPTED' })))
  const { expires_at: expiresAt } = await alice.next('task_step_result')
  await a.app.close()
  await asked
  const outcomes: Record<string, boolean> = {}
  for (let n = 0; n < 2; n++) {
    const { task_id: task, outcome, proceed } = await alice.next('confirmation_closed')
    t.equal(outcome, 'expired')
    outcomes[task] = proceed
  }
  t.strictSame(outcomes, { proceed: true, cancel: false })
  t.ok(Date.now() >= expiresAt && Date.now() < expiresAt + 2_000, `${Date.now() - expiresAt} ms after its time`)
  t.same(await b.app.ws.confirmations.list({ status: 'pending' }), { confirmations: [], next: null })
})

t.test('acknowledgements are collected from every node', async (t) => {
  const [a, b] = await startNodes(t, 2) as [TestApp, TestApp]
  const [here, there, silent] = [acknowledging(await a.connect('alice')), acknowledging(await b.connect('alice')), await b.connect('alice')]
  const report = await a.app.ws.sendToUser('alice', { type: 'x.y' }, { ack: { timeoutMs: 400, tries: 2 } })
  t.match(report.position, { epoch: String, offset: 1 })
  t.strictSame({ ...report, position: null, acked: new Set(report.acked) }, { localRecipients: 1, position: null, acked: new Set([here.id, there.id]), missing: [silent.id] })
  await silent.settled()
  t.equal(silent.count('x.y'), 2)
  t.same(await b.app.ws.sendToClient(here.id, { type: 'x.y' }, { ack: { timeoutMs: 2_000, tries: 1 } }), { recipients: 1, acked: [here.id], missing: [] })
})

t.test('presence covers all nodes', async (t) => {
  const [a, b] = await startNodes(t, 2, { channels: { '*': { presence: true } } }) as [TestApp, TestApp]
  const alice = await a.connect('alice', { path: '/ws?channel_id=room' })
  await alice.next('presence')
  const bob = await b.connect('bob', { path: '/ws?channel_id=room' })
  await alice.next((frame) => frame.type === 'joined' && frame.user_id === 'bob')
  const both = { clients: 2, users: [{ user_id: 'alice', client_ids: [alice.id] }, { user_id: 'bob', client_ids: [bob.id] }] }
  for (const node of [a, b]) t.same(await node.app.ws.presence('room'), both)
  await bob.close()
  await alice.next((frame) => frame.type === 'left' && frame.user_id === 'bob')
})

t.test('the sockets of all nodes are listed, found and closed from any node', async (t) => {
  const [a, b] = await startNodes(t, 2) as [TestApp, TestApp]
  const clients = []
  for (let n = 0; n < 5; n++) {
    clients.push(await (n % 2 === 0 ? a : b).connect(`user-${n}`))
    const connected = Date.now()
    while (Date.now() <= connected) await new Promise((resolve) => setImmediate(resolve))
  }
  const ids: string[] = []
  for (let after = ''; ;) {
    const { body } = await b.rest('GET', `/ws/clients?limit=2${after}`)
    t.match(body, { total: 5, complete: true, missing: [] })
    ids.push(...body.clients.map(({ client_id: id }: Frame) => id))
    if (body.next === null) break
    after = `&after=${body.next}`
  }
  t.strictSame(ids, clients.map(({ id }) => id))
  t.match(await a.rest('GET', `/ws/clients/${clients[1]!.id}`), { status: 200, body: { user_id: 'user-1' } })
  t.match(await a.rest('DELETE', `/ws/clients/${clients[1]!.id}?reason=enough`), { status: 204 })
  t.same(await clients[1]!.closed, { code: 4403, reason: 'enough' })
  t.equal(await b.app.ws.disconnect({ userId: 'user-0' }), 1)
  t.equal((await clients[0]!.closed).code, 4403)
  t.match(await a.rest('DELETE', `/ws/clients/${clients[1]!.id}`), { status: 404 })
  const status = await a.app.ws.getStatus({ cluster: true })
  t.match(status, { complete: true, missing: [], active_connections: 3, nodes: [{ active_connections: 2 }, { active_connections: 1 }] })
  t.match(await b.rest('GET', '/ws/status?cluster=true'), { status: 200, body: { complete: true, active_connections: 3 } })
})

t.test('sockets of another node, unresponsive ones included, have closed when a disconnect or revoke resolves', async (t) => {
  const [a, b] = await startNodes(t, 2, { closeTimeoutMs: 50 }) as [TestApp, TestApp]
  const ended: string[] = []
  b.app.ws.on('client_disconnected', ({ client }) => { ended.push(client.user!.id) })
  for (const user of ['alice', 'bob']) await RawClient.open(t, b, user)
  t.equal(await a.app.ws.disconnect({ userId: 'alice' }), 1)
  t.strictSame(ended, ['alice'])
  t.match(await a.app.ws.revoke({ userId: 'bob' }), { closed: 1, complete: true })
  t.strictSame(ended, ['alice', 'bob'])
})

t.test('before an outage of Redis is noticed, messages without history reach the sockets of their node at once, and no socket twice', async (t) => {
  const own = await RedisServer.start(t)
  const prefix = `test-${prefixes++}`
  const [a, b] = await Promise.all([1, 2].map(() => startApp(t, {
    authorizeSubscribe: () => true,
    authorizeSend: () => true,
    channels: { room: { history: false } },
    engine: redis({ port: own.port, host: '127.0.0.1' }, { prefix, commandTimeoutMs: 200 })
  }))) as [TestApp, TestApp]
  const alice = await a.connect('alice', { path: '/ws?channel_id=room' })
  const bob = await b.connect('bob', { path: '/ws?channel_id=room' })
  const { ws } = a.app
  const unkept = { history: false }
  // Not long enough for the nodes to report an outage.
  await own.admin.call('client', 'pause', 600, 'all')
  const back = own.admin.ping()
  const frame = alice.request({ type: 'channel', channel_ids: ['room'], data: { type: 'x.frame' } })
  const reports = await Promise.all([
    ws.broadcast({ type: 'x.all' }, unkept), ws.sendToUser('alice', { type: 'x.user' }, unkept), ws.sendToUser('bob', { type: 'x.other' }, unkept),
    ws.sendToChannel('room', { type: 'x.channel' }),
    a.rest('POST', '/ws/broadcast', { body: { message: { type: 'x.rest' }, options: unkept } }).then(({ body }) => body)
  ])
  t.strictSame(reports, [1, 1, 0, 1, 1].map((localRecipients) => ({ localRecipients, position: null, complete: false })))
  t.match(await frame, { type: 'reply' })
  const types = ['x.all', 'x.user', 'x.channel', 'x.rest', 'x.frame']
  for (const type of types) await alice.next(type)
  await back
  await until(async () => (await ws.broadcast({ type: 'x.last' }, unkept)).complete === undefined)
  await bob.next('x.last')
  await alice.settled()
  t.strictSame(types.map((type) => alice.count(type)), [1, 1, 1, 1, 1])
  t.ok(types.every((type) => bob.count(type) <= 1))
})

t.test('while Redis is down sockets stay open, clients are told, and features that do not need it keep working', async (t) => {
  const own = await RedisServer.start(t)
  const [a] = await startNodes(t, 1, {}, own.port) as [TestApp]
  const changes: boolean[] = []
  a.app.ws.on('readiness_changed', ({ ready }) => changes.push(ready))
  const alice = await a.connect('alice')
  t.match(await a.rest('GET', '/ws/ready', { as: null }), { status: 200, body: { status: 'ready' } })
  // Her open questions are looked for when she has been greeted, and a socket that cannot have them is closed. Redis answers in order.
  await a.rest('GET', '/ws/confirmations?user_id=alice')
  // A machine that stood still may have missed the server before.
  t.comment(changes.splice(0).join())
  own.pause()
  await until(() => changes.includes(false))
  await alice.next((frame) => frame.type === 'availability' && frame.available === false)
  t.match(await a.rest('GET', '/ws/ready', { as: null }), { status: 503, body: { status: 'unavailable' } })
  const refused = await a.rest('POST', '/ws/broadcast', { body: { message: { type: 'x.y' } } })
  t.match(refused, { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
  t.match(refused.headers.get('retry-after'), /^\d+$/)
  t.match(await a.app.ws.getStatus({ cluster: true }), { complete: false, missing: null, active_connections: 1 })
  await a.app.ws.broadcast({ type: 'x.now' }, { history: false })
  await alice.next('x.now')
  own.resume()
  await alice.next((frame) => frame.type === 'availability' && frame.available === true)
  await a.app.ws.broadcast({ type: 'x.again' })
  await alice.next('x.again')
  t.strictSame(changes, [false, true])
})
