import t from 'tap'
import { serverFrameTypes } from '../../schemas/frames/types.js'
import { redis } from '../../lib/engine/redis/redis.js'
import { inAnHour, startApp } from '../fixtures/app.js'
import type { Frame, TestClient } from '../fixtures/client.js'
import { RedisServer } from '../fixtures/redis.js'
import { faultsOfServerFrame } from '../fixtures/server-frames.js'
import { StallingClient } from '../fixtures/stalling-client.js'

const CHANNELS = { room: { presence: true } }

/** Frames that were read off a socket, each as its schema describes it. */
const seen = new Set<string>()
const note = (frames: Iterable<Frame>) => { for (const { type } of frames) seen.add(type) }

t.test('a frame that its schema does not describe is found', async (t) => {
  const pong = { type: 'pong', timestamp: null, server_time: 1 }
  t.strictSame(faultsOfServerFrame(pong), [])
  t.strictSame(faultsOfServerFrame({ ...pong, extra: 1 } as never), ['pong/extra: Unexpected property'])
  t.match(faultsOfServerFrame({ type: 'pong', timestamp: null } as never), ['pong/server_time: Expected required property'])
  t.match(faultsOfServerFrame({ type: 'presence', channel: 'room', clients: 1, users: [{ user_id: 'a', client_ids: [], extra: 1 }] } as never),
    ['presence/users/0/extra: Unexpected property'], 'at any depth')
  t.strictSame(faultsOfServerFrame({ type: 'chat.message', extra: 1 } as never), [], 'an app\'s own message has no schema here')
})

t.test('the frames of replies, a channel, a question and tasks match their schemas', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true, channels: CHANNELS, auth: { expiryNoticeMs: 3_600_000 } })
  const { ws } = server.app
  const alice = await server.connect('alice', { claims: { exp: inAnHour() - 60 } })
  await alice.request({ type: 'ping' })
  await alice.request({ type: 'unknown.type' })
  await alice.request({ type: 'subscribe', channel_ids: ['room'] })
  const bob = await server.connect('bob')
  await bob.request({ type: 'subscribe', channel_ids: ['room'] })
  await alice.next('joined')
  await bob.close()
  await alice.next('left')
  await alice.request({ type: 'unsubscribe', channel_ids: ['room'] })
  const settled = ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'import' })
  const { callback_id: callbackId } = await alice.next('task_step_result')
  await alice.request({ type: 'confirm', callback_id: callbackId, proceed: true })
  await settled
  const { task } = await ws.tasks.start({ userId: 'alice' })
  await ws.tasks.log(task.task_id, 'a line')
  await ws.tasks.done(task.task_id)
  const { task: other } = await ws.tasks.start({ userId: 'alice' })
  await ws.tasks.cancel(other.task_id)
  ws.startHeartbeat({ userId: 'alice', taskId: 'import' })()
  await alice.next('token_expiring')
  await server.app.close()
  await alice.closed
  note(alice.received)
})

t.test('the frames of a Redis outage and a loss of its data match their schemas', async (t) => {
  const own = await RedisServer.start(t)
  const server = await startApp(t, { engine: redis({ host: '127.0.0.1', port: own.port }) })
  const alice: TestClient = await server.connect('alice')
  await server.app.ws.broadcast({ type: 'x.y' })
  await own.kill()
  await alice.next('availability')
  await own.start()
  await alice.next('availability')
  await alice.next('gap')
  note(alice.received)
})

t.test('the frames to a slow consumer match their schemas', async (t) => {
  const server = await startApp(t, { slowConsumer: 'drop', limits: { maxQueueBytes: 100_000 } })
  const client = await StallingClient.open(server.origin, server.token('alice'))
  t.teardown(() => client.socket.destroy())
  client.stall()
  while (server.app.ws.getStatus().messages_dropped === 0) {
    await server.app.ws.broadcast({ type: 'test.large', padding: 'x'.repeat(10_000) })
    await new Promise((resolve) => setImmediate(resolve))
  }
  client.resume()
  const frames = () => client.frames().filter(({ opcode }) => opcode === 1).map(({ payload }) => JSON.parse(payload.toString()) as Frame)
  while (!frames().some(({ type }) => type === 'dropped')) await new Promise((resolve) => client.socket.once('data', resolve))
  for (const frame of frames()) t.strictSame(faultsOfServerFrame(frame), [])
  note(frames())
})

t.test('every type of server frame was read off a socket', async (t) => {
  t.strictSame(serverFrameTypes.filter((type) => !seen.has(type)), [])
})
