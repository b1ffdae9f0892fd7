import t, { type Test } from 'tap'
import { dueTimesOf } from '../../lib/confirmations/due-times.js'
import { redis } from '../../lib/engine/redis/redis.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { ENGINE, question } from '../fixtures/engine-suite.js'
import { questionRead } from '../fixtures/questions.js'
import { RedisServer } from '../fixtures/redis.js'
import { silent } from '../fixtures/redis-nodes.js'

const server = await RedisServer.start(t)
let prefixes = 0

interface Cluster {
  nodes: TestApp[]
  /** Makes the engine of another node. */
  join: ReturnType<typeof redis>
}

async function startNodes (t: Test, count: number, port = server.port): Promise<Cluster> {
  const join = redis({ port, host: '127.0.0.1' }, { prefix: `test-${prefixes++}` })
  return { join, nodes: await Promise.all(Array.from({ length: count }, () => startApp(t, { engine: join }))) }
}

/** How long it takes to reject because the outcome is not known, milliseconds. */
async function interrupted (t: Test, wait: Promise<unknown>, callbackId?: string): Promise<number> {
  const from = performance.now()
  await t.rejects(wait, { code: 'WSM_ERR_WAIT_INTERRUPTED', details: { callback_id: callbackId ?? String } })
  return performance.now() - from
}

t.test('a question whose node dies between storing and announcing is shown by another node to every open socket', async (t) => {
  const { nodes: [a, b], join } = await startNodes(t, 2) as Cluster & { nodes: [TestApp, TestApp] }
  const sockets = await Promise.all([a.connect('alice'), a.connect('alice'), b.connect('alice')])
  const bob = await b.connect('bob')
  const dead = await join({ ...ENGINE, log: silent })
  const from = performance.now()
  const records = Array.from({ length: 150 }, () => {
    const now = dead.clock.now()
    return question({ created_at: now, expires_at: now + 60_000 })
  })
  await Promise.all(records.map((record) => dead.confirmations.create(record, dueTimesOf(record))))
  await dead.close()
  const ids = records.map(({ callback_id: id }) => id).sort()
  for (const socket of sockets) {
    const shown: string[] = []
    while (shown.length < ids.length) shown.push((await socket.next('task_step_result')).callback_id)
    t.strictSame(shown.sort(), ids, 'each once')
  }
  const tookMs = performance.now() - from
  t.ok(tookMs < 3_000, `${tookMs} ms`)
  t.equal(bob.count('task_step_result'), 0)
  await sockets[0]!.request({ type: 'confirm', callback_id: ids[0], proceed: true })
  t.match(await b.app.ws.confirmations.get(ids[0]!), { status: 'confirmed' })
})

t.test('while Redis is stopped a wait is interrupted in time, and the question ends when Redis is back', async (t) => {
  const own = await RedisServer.start(t)
  const { nodes: [a, b] } = await startNodes(t, 2, own.port) as Cluster & { nodes: [TestApp, TestApp] }
  const alice = await b.connect('alice')
  const stop = new AbortController()
  const ask = (timeoutMs: number, signal?: AbortSignal) =>
    a.app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task', timeoutMs, ...signal !== undefined && { signal } })
  const [brief, aborted, lasting] = [ask(1_000), ask(60_000, stop.signal), ask(60_000)]
  const ids: string[] = []
  for (let n = 0; n < 3; n++) ids.push((await alice.next('task_step_result')).callback_id)
  const [briefId, abortedId, lastingId] = ids as [string, string, string]
  const waited = b.app.ws.confirmations.wait(briefId)
  const read = questionRead(t)
  const from = performance.now()
  const poll = b.rest('GET', `/ws/confirmations/${lastingId}?wait=0.5`, { as: 'alice' })
  const pollMs = poll.then(() => performance.now() - from)
  await read
  // Its own look-ups, of before and after it begins to wait, are answered by then.
  for (let n = 0; n < 3; n++) await b.app.ws.confirmations.get(lastingId)
  own.pause()
  stop.abort()
  const unstored = ask(200)
  const took = await Promise.all([
    interrupted(t, aborted, abortedId), interrupted(t, unstored), interrupted(t, brief, briefId), interrupted(t, waited, briefId)
  ])
  const most = [500, 700, 1_500, 1_500]
  t.ok(took.every((ms, n) => ms < most[n]! + 200), took.join())
  const { status, headers } = await poll
  t.equal(status, 503)
  t.match(headers.get('retry-after'), /^\d+$/)
  t.ok(await pollMs < 1_200, String(await pollMs))
  own.resume()
  const closed = await alice.next(({ type, callback_id: id }) => type === 'confirmation_closed' && id === briefId)
  t.match(closed, { outcome: 'expired', proceed: false })
  await alice.request({ type: 'confirm', callback_id: lastingId, proceed: true })
  t.match(await lasting, { outcome: 'confirmed' }, 'who has time goes on waiting')
  t.match(await b.app.ws.confirmations.get(abortedId), { callback_id: abortedId })
})
