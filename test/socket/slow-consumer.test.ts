import t, { type Test } from 'tap'
import { startApp, type TestApp } from '../fixtures/app.js'
import { maskedFrame, opcodes } from '../fixtures/raw-client.js'
import { StallingClient } from '../fixtures/stalling-client.js'

const PADDING = 'x'.repeat(10_000)

/** Broadcasts in turns, so that what can be read is read, until something happened. Resolves to how many it were. */
async function broadcastUntil (server: TestApp, happened: () => boolean): Promise<number> {
  for (let number = 1; number <= 20_000; number++) {
    await server.app.ws.broadcast({ type: 'test.numbered', number, padding: PADDING })
    await new Promise((resolve) => setImmediate(resolve))
    if (happened()) return number
  }
  throw new Error('it never happened')
}

async function stalled (t: Test, server: TestApp, userId: string): Promise<StallingClient> {
  const client = await StallingClient.open(server.origin, server.token(userId))
  t.teardown(() => client.socket.destroy())
  client.stall()
  return client
}

t.test('a client that does not read is cut with 1013, which events, status and log report', async (t) => {
  const server = await startApp(t, { limits: { maxQueueBytes: 100_000 } })
  const reader = await server.connect('reader')
  await stalled(t, server, 'sleeper')
  const slow: unknown[] = []
  const gone: unknown[] = []
  server.app.ws.on('slow_consumer', ({ client, action }) => { slow.push([client.user?.id, action]) })
  server.app.ws.on('client_disconnected', ({ client, code }) => { gone.push([client.user?.id, code]) })
  const sent = await broadcastUntil(server, () => gone.length > 0)
  t.strictSame(slow, [['sleeper', 'disconnect']])
  t.strictSame(gone, [['sleeper', 1013]])
  t.match(server.app.ws.getStatus(), { slow_disconnects: 1, messages_dropped: 0, active_connections: 1 })
  t.ok(server.logs.some(({ level, action, user_id }) => level === 40 && action === 'disconnect' && user_id === 'sleeper'))
  await reader.settled()
  t.equal(reader.count('test.numbered'), sent, 'the others missed nothing')
})

t.test('with slowConsumer "drop" a client misses messages, and is told how many when it reads again', async (t) => {
  const server = await startApp(t, { slowConsumer: 'drop', limits: { maxQueueBytes: 100_000 } })
  const client = await stalled(t, server, 'sleeper')
  const actions: string[] = []
  server.app.ws.on('slow_consumer', ({ action }) => { actions.push(action) })
  const sent = await broadcastUntil(server, () => server.app.ws.getStatus().messages_dropped >= 5)
  client.resume()
  const frames = () => client.frames().filter(({ opcode }) => opcode === 1).map(({ payload }) => JSON.parse(payload.toString()))
  while (!frames().some(({ type }) => type === 'dropped')) await new Promise((resolve) => client.socket.once('data', resolve))
  await server.app.ws.broadcast({ type: 'test.numbered', number: 'after' })
  while (!frames().some(({ number }) => number === 'after')) await new Promise((resolve) => client.socket.once('data', resolve))
  const numbers = frames().slice(1).map(({ number, count }) => number ?? { count })
  const dropped = server.app.ws.getStatus().messages_dropped
  t.strictSame(numbers, [...Array.from({ length: sent - dropped }, (_, i) => i + 1), { count: dropped }, 'after'], 'the gap is where the notice is')
  t.strictSame(actions, ['drop'], 'told once for one gap')
})

t.test('with slowConsumer "drop" a frame of the protocol follows the notice of the messages dropped before it', async (t) => {
  const server = await startApp(t, { slowConsumer: 'drop', limits: { maxQueueBytes: 100_000 } })
  const client = await stalled(t, server, 'sleeper')
  const actions: string[] = []
  server.app.ws.on('slow_consumer', ({ action }) => { actions.push(action) })
  await broadcastUntil(server, () => server.app.ws.getStatus().messages_dropped > 0)
  const tasks = [await server.app.ws.tasks.start({ userId: 'sleeper' }), await server.app.ws.tasks.start({ userId: 'sleeper' })]
  const before = server.app.ws.getStatus().messages_dropped
  for (const { task } of tasks) await server.app.ws.tasks.done(task.task_id)
  await server.app.ws.broadcast({ type: 'test.numbered', number: 'left out' })
  client.resume()
  const frames = () => client.frames().filter(({ opcode }) => opcode === 1).map(({ payload }) => JSON.parse(payload.toString()))
  const ends = () => frames().filter(({ type }) => type === 'dropped' || type.startsWith('task_')).map(({ type, count }) => [type, count])
  while (ends().length < 4) await new Promise((resolve) => client.socket.once('data', resolve))
  const after = server.app.ws.getStatus().messages_dropped - before
  t.strictSame(ends(), [['dropped', before], ['task_done', undefined], ['task_done', undefined], ['dropped', after]],
    'who has what follows, and no more, knows that something is missing')
  t.equal(frames().at(-1)!.type, 'dropped')
  t.strictSame(actions, ['drop'])
})

t.test('with slowConsumer "drop" frames of the protocol still cut a client that does not read', async (t) => {
  const server = await startApp(t, { slowConsumer: 'drop', limits: { maxQueueBytes: 100_000 } })
  await stalled(t, server, 'sleeper')
  await broadcastUntil(server, () => server.app.ws.getStatus().messages_dropped > 0)
  const gone = new Promise((resolve) => server.app.ws.on('client_disconnected', resolve))
  for (let i = 0; i < 20; i++) {
    // Rejects nothing and waits for nobody: the questions end with the server.
    server.app.ws.notifyUser({ step: i, message: PADDING }, { userId: 'sleeper', taskId: 'task' }).catch(() => {})
  }
  t.match(await gone, { code: 1013 })
})

t.test('a message published by a slow_consumer listener follows the message that did not fit', async (t) => {
  for (const slowConsumer of ['disconnect', 'drop'] as const) {
    const server = await startApp(t, { slowConsumer, limits: { maxQueueBytes: 100_000 } })
    // Before the reader, so that it is handed each message first.
    await stalled(t, server, 'sleeper')
    const reader = await server.connect('reader')
    let isSlow = false
    server.app.ws.on('slow_consumer', () => {
      isSlow = true
      server.app.ws.broadcast({ type: 'test.news' })
    })
    const sent = await broadcastUntil(server, () => isSlow)
    await reader.settled()
    const frames = reader.received.filter(({ type }) => type.startsWith('test.'))
    t.strictSame(frames.map((frame) => reader.streamOf(frame)!.offset), Array.from({ length: sent + 1 }, (_, i) => i + 1), slowConsumer)
  }
})

t.test('a client that reads gets more messages in one turn than limits.maxQueueMessages', async (t) => {
  const server = await startApp(t, { limits: { maxQueueMessages: 10 } })
  const client = await server.connect('reader')
  for (let number = 0; number < 200; number++) server.app.ws.sendToUser('reader', { type: 'test.numbered', number })
  await client.settled()
  t.equal(client.count('test.numbered'), 200)
})

t.test('a single message larger than limits.maxQueueBytes is still sent', async (t) => {
  const server = await startApp(t, { limits: { maxQueueBytes: 1_000 } })
  const client = await server.connect('reader')
  await server.app.ws.broadcast({ type: 'test.big', padding: 'x'.repeat(200_000) })
  t.equal((await client.next('test.big')).padding.length, 200_000)
})

t.test('a stalled client that is cut while messages are dropped leaves nothing behind', async (t) => {
  const server = await startApp(t, { slowConsumer: 'drop', limits: { maxQueueBytes: 100_000 } })
  const client = await stalled(t, server, 'sleeper')
  await broadcastUntil(server, () => server.app.ws.getStatus().messages_dropped > 0)
  const gone = new Promise((resolve) => server.app.ws.on('client_disconnected', resolve))
  client.socket.resetAndDestroy()
  await gone
  t.match(server.app.ws.getStatus(), { active_connections: 0, users: 0 })
})

t.test('a client that floods pings and does not read the pongs is ended without limits on its rate', async (t) => {
  const server = await startApp(t, { limits: { messagesPerSecond: 0 } })
  const client = await stalled(t, server, 'sleeper')
  const pings = Buffer.concat(Array.from({ length: 1_000 }, () => maskedFrame(opcodes.ping, 'x'.repeat(125))))
  const flood = setInterval(() => client.socket.write(pings), 1)
  const code = await new Promise((resolve) => server.app.ws.on('client_disconnected', (end) => resolve(end.code)))
  clearInterval(flood)
  t.equal(code, 1006)
})
