import t, { type Test } from 'tap'
import { redis } from '../lib/engine/redis/redis.js'
import type { EngineFactory } from '../lib/index.js'
import { startApp } from './fixtures/app.js'
import { RedisServer } from './fixtures/redis.js'

const step = { step: 1, message: 'Go on?' }

/** Calls of every public method that answers later. */
const calls: Record<string, (ws: Awaited<ReturnType<typeof startApp>>['app']['ws']) => Promise<unknown>> = {
  broadcast: (ws) => ws.broadcast({ type: 'x.y' }),
  sendToUser: (ws) => ws.sendToUser('alice', { type: 'x.y' }),
  sendToRole: (ws) => ws.sendToRole('editor', { type: 'x.y' }),
  sendToChannel: (ws) => ws.sendToChannel('room', { type: 'x.y' }),
  sendToClient: (ws) => ws.sendToClient('client', { type: 'x.y' }),
  notifyUser: (ws) => ws.notifyUser(step, { userId: 'alice', taskId: 'task' }),
  join: (ws) => ws.join('client', 'room'),
  leave: (ws) => ws.leave('client', 'room'),
  presence: (ws) => ws.presence('room'),
  history: (ws) => ws.history('all'),
  position: (ws) => ws.position('all'),
  revoke: (ws) => ws.revoke({ userId: 'alice' }),
  disconnect: (ws) => ws.disconnect('client'),
  'getStatus of all nodes': (ws) => ws.getStatus({ cluster: true }),
  'confirmations.get': (ws) => ws.confirmations.get('question'),
  'confirmations.list': (ws) => ws.confirmations.list(),
  'confirmations.wait': (ws) => ws.confirmations.wait('question'),
  'confirmations.answer': (ws) => ws.confirmations.answer('question', { proceed: true }, { user_id: 'alice', client_id: null }),
  'confirmations.cancel': (ws) => ws.confirmations.cancel('question'),
  'tasks.start': (ws) => ws.tasks.start({ userId: 'alice' }),
  'tasks.progress': (ws) => ws.tasks.progress('task', 0.5),
  'tasks.log': (ws) => ws.tasks.log('task', 'line'),
  'tasks.done': (ws) => ws.tasks.done('task'),
  'tasks.fail': (ws) => ws.tasks.fail('task', 'broken'),
  'tasks.cancel': (ws) => ws.tasks.cancel('task'),
  'tasks.get of all nodes': (ws) => ws.tasks.get('task', { cluster: true }) as Promise<unknown>,
  'tasks.list of all nodes': (ws) => ws.tasks.list('alice', { cluster: true }) as Promise<unknown>
}

async function rejected (t: Test, engine?: EngineFactory): Promise<void> {
  const { app } = await startApp(t, engine === undefined ? {} : { engine })
  await app.close()
  for (const [name, call] of Object.entries(calls)) {
    await t.rejects(call(app.ws), { code: 'WSM_ERR_UNAVAILABLE', message: 'The server has closed', statusCode: 503 }, name)
  }
  t.match(app.ws.getStatus(), { running: false })
  t.same(app.ws.tasks.list('alice').tasks, [])
  t.equal(app.ws.getHealth().status, 'closing')
}

t.test('after the close every asynchronous method rejects alike, and local state can be read', (t) => rejected(t))

t.test('after the close every asynchronous method rejects alike with Redis, too', async (t) => {
  const server = await RedisServer.start(t)
  await rejected(t, redis({ host: '127.0.0.1', port: server.port }, { prefix: 'after-close' }))
})

t.test('while the server closes, the app can still send its final messages', async (t) => {
  const server = await startApp(t, {}, {
    after: (app) => { app.addHook('onClose', async () => { t.match(await app.ws.broadcast({ type: 'x.y' }), { localRecipients: 0 }) }) }
  })
  await server.app.close()
})
