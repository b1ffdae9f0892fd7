import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { UserConfirmation } from '../../lib/index.js'
import { TestClient, type Frame } from '../fixtures/client.js'
import { random } from '../fixtures/random.js'
import { RedisServer } from '../fixtures/redis.js'
import { forge } from '../fixtures/tokens.js'
import { until } from '../fixtures/until.js'
import { Deployment } from './deployment.js'
import { fault, lengthy, type Figures } from './fault.js'
import { Load } from './load.js'
import { NodeProcess } from './node-process.js'
import { ADMIN, rest } from './rest.js'

t.setTimeout(lengthy(600_000, 180_000))

/** What one of those who want to end a question came to. */
interface Attempt { name: string, won: boolean, told: Frame }

async function connect (t: Test, origin: string, user: string): Promise<TestClient & { id: string }> {
  const client = await new TestClient(`${origin.replace('http', 'ws')}/ws`, ['ws-manager.v1', `bearer.${forge({ sub: user })}`]).opened()
  t.teardown(() => client.socket.terminate())
  return Object.assign(client, { id: (await client.next('connection')).data.client_id as string })
}

/** Tells whether something becomes so in time. */
async function within (ms: number, isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  const until = performance.now() + ms
  while (!await isSo()) {
    if (performance.now() > until) return false
    await setTimeout(5)
  }
  return true
}

fault('kill -9 the node that asked 1000 questions', async (t) => {
  const deployment = await Deployment.start(t, { engine: { leaseMs: lengthy(15_000, 1_000) } })
  const [victim, ...others] = deployment.nodes as [typeof deployment.nodes[0], ...typeof deployment.nodes]
  const count = lengthy(1_000, 100)
  const byTask = new Map(Array.from({ length: count }, (_, n) => [`task-${n}`, `user-${n % 20}`]))
  // Rejects with the process.
  for (const [taskId, userId] of byTask) victim.command('ask', { userId, taskId, timeoutMs: 120_000, onTimeout: 'cancel' }).catch(() => {})
  const [near, far] = others as [typeof victim, typeof victim]
  await until(async () => await near.command('pending') === count)
  const list = async (user: string) => (await rest(near.origin, 'GET', `/ws/confirmations?status=pending&user_id=${user}`, ADMIN)).body.confirmations
  const questions: Frame[] = (await Promise.all(Array.from({ length: 20 }, (_, n) => list(`user-${n}`)))).flat()
  t.strictSame(new Map(questions.map(({ task_id: task, user_id: user }) => [task, user])), byTask)

  await victim.kill()
  const waits = questions.map(({ callback_id: id }) => far.command<UserConfirmation>('wait', id))
  // Longer than the node is believed to live.
  await setTimeout(lengthy(20_000, 1_500))
  t.equal(await near.command('pending'), count, 'none is lost, none has expired')

  // Half of the users answer by a socket that they open elsewhere, where they are asked again, the others over REST.
  const ids = new Set(questions.map(({ callback_id: id }) => id as string))
  const answeredBySocket = await Promise.all(Array.from({ length: 10 }, async (_, n) => {
    const client = await connect(t, (n % 2 === 0 ? near : far).origin, `user-${n}`)
    const asked = questions.filter(({ user_id: user }) => user === `user-${n}`).length
    for (let answers = 0; answers < asked; answers++) {
      const { callback_id: id } = await client.next('task_step_result')
      ids.delete(id)
      t.match(await client.request({ type: 'confirm', callback_id: id, proceed: true, feedback: 'socket' }), { type: 'reply', data: { outcome: 'confirmed' } })
    }
    return asked
  }))
  await Promise.all([...ids].map(async (id, n) => {
    const { user_id: user } = questions.find(({ callback_id: other }) => other === id)!
    t.match(await rest((n % 2 === 0 ? near : far).origin, 'POST', `/ws/confirmations/${id}`, forge({ sub: user }), { proceed: true, feedback: 'rest' }), { status: 200 })
  }))
  const ends = await Promise.all(waits)
  t.ok(ends.every(({ outcome, proceed, feedback }) => outcome === 'confirmed' && proceed && (feedback === 'socket' || feedback === 'rest')),
    'who waits elsewhere hears of each answer')
  t.equal(await near.command('pending'), 0)
  return { questions: count, answeredBySocket: answeredBySocket.reduce((sum, asked) => sum + asked), answeredByRest: ids.size, waitedFor: ends.length }
})

fault('kill -9 the asking node between storing and announcing', async (t) => {
  const deployment = await Deployment.start(t, { engine: { leaseMs: lengthy(15_000, 1_000) } })
  const [victim, near, far] = deployment.nodes as [typeof deployment.nodes[0], typeof deployment.nodes[0], typeof deployment.nodes[0]]
  const [rounds, perRound, users] = [lengthy(5, 1), lengthy(200, 40), 20]
  const figures: Figures = { questions: 0, notShown: 0, slowestMs: 0, twice: 0 }
  const load = new Load(deployment, lengthy({ sockets: 600, rate: 300 }, { sockets: 30, rate: 50 }))
  t.teardown(() => load.close())
  await load.start()
  // Open all the time.
  const sockets = await Promise.all(Array.from({ length: users }, (_, n) => Promise.all([near, far].map(({ origin }) => connect(t, origin, `asked-${n}`)))))
  for (let round = 0; round < rounds; round++) {
    await victim.command('holdBack')
    for (let n = 0; n < perRound; n++) {
      victim.command('ask', { userId: `asked-${n % users}`, taskId: `task-${round}-${n}`, timeoutMs: 120_000, onTimeout: 'proceed' }).catch(() => {})
    }
    const pending = async () => await near.command('pending') === perRound * (round + 1)
    if (!await within(30_000, pending)) throw new Error('not all questions were stored')
    const killedAt = performance.now()
    await victim.kill()
    const shownTo = ({ received }: TestClient) => received
      .filter(({ type, task_id: task }) => type === 'task_step_result' && task.startsWith(`task-${round}-`)).map(({ task_id: task }) => task as string)
    const isShown = () => sockets.flat().every((socket) => shownTo(socket).length >= perRound / users)
    await within(10_000, isShown)
    figures.slowestMs = Math.max(figures.slowestMs!, Math.round(performance.now() - killedAt))
    for (const socket of sockets.flat()) {
      const tasks = shownTo(socket)
      const { size } = new Set(tasks)
      figures.notShown! += perRound / users - size
      figures.twice! += tasks.length - size
    }
    figures.questions! += perRound
    await victim.start()
    if (!await within(60_000, () => deployment.isReady(0))) throw new Error('the node did not come back')
  }
  const { silentlyLost } = await load.end()
  t.match({ ...figures, silentlyLost }, { notShown: 0, silentlyLost: 0 })
  t.ok(figures.slowestMs! < 3_000, `shown after ${figures.slowestMs} ms`)
  return figures
})

fault('a question of a node whose clock is five minutes ahead or behind', async (t) => {
  const { port } = await RedisServer.start(t)
  const nodes = ['-300s', '+0s', '+300s'].map((clock) => new NodeProcess({ clock, redis: { port }, engine: {}, options: {} }))
  t.teardown(() => Promise.all(nodes.map((node) => node.kill())))
  await Promise.all(nodes.map((node) => node.start()))
  const sockets = await Promise.all(nodes.map(({ origin }) => connect(t, origin, 'alice')))
  const timeoutMs = lengthy(3_000, 1_500)
  const figures: Figures = { questions: 0, earliestMs: Infinity, latestMs: 0, askerLatestMs: 0 }
  await Promise.all(nodes.map(async (node, n) => {
    const from = performance.now()
    const asked = node.command<UserConfirmation>('ask', { userId: 'alice', taskId: `task-${n}`, timeoutMs, onTimeout: 'cancel' })
    const over = new AbortController()
    // Others look at it all the time.
    const looking = Promise.all(nodes.map(async (other) => { while (!over.signal.aborted) await other.command('pending') }))
    const ends = await Promise.all(sockets.map(async (socket) => {
      await socket.next((frame) => frame.type === 'confirmation_closed' && frame.task_id === `task-${n}`)
      return performance.now() - from
    }))
    t.match(await asked, { outcome: 'expired', proceed: false })
    figures.askerLatestMs = Math.max(figures.askerLatestMs!, Math.round(performance.now() - from))
    over.abort()
    await looking
    figures.questions!++
    figures.earliestMs = Math.min(figures.earliestMs!, Math.floor(Math.min(...ends)))
    figures.latestMs = Math.max(figures.latestMs!, Math.round(Math.max(...ends)))
  }))
  t.ok(figures.earliestMs! >= timeoutMs - 50 && figures.latestMs! < timeoutMs + 2_000, JSON.stringify(figures))
  return figures
})

fault('2000 questions, eight answers at once, against time-out and cancel', async (t) => {
  const deployment = await Deployment.start(t)
  const { nodes, origins } = deployment
  const [count, users, atOnce] = [lengthy(2_000, 120), 20, 40]
  const { int, chance } = random(1)
  const sockets = await Promise.all(Array.from({ length: users }, (_, n) =>
    Promise.all([0, 1, 2, 0].map((node) => connect(t, origins[node]!, `user-${n}`)))))
  const tokens = Array.from({ length: users }, (_, n) => forge({ sub: `user-${n}` }))
  const wins: Record<string, number> = { answered: 0, expired: 0, cancelled: 0, losersTold: 0 }

  /** One question and everybody who wants to end it. */
  async function race (n: number, leadMs: number): Promise<void> {
    const user = n % users
    // Its time is over a little before or after the answers, or not at all.
    const timeoutMs = chance(0.5) ? leadMs - 20 + int(200) : 60_000
    const isCancelled = chance(0.5)
    const answersAt = performance.now() + leadMs
    const asking = nodes[n % nodes.length]!.command<UserConfirmation>('ask', { userId: `user-${user}`, taskId: `task-${n}`, timeoutMs, onTimeout: 'cancel' })
    const asked = sockets[user]![0]!.next((frame) => frame.type === 'task_step_result' && frame.task_id === `task-${n}`)
    // On a busy machine its time can be over before it is asked; then nobody is asked.
    const { callback_id: id } = await Promise.race([asked, asking.finally(() => asked.catch(() => {}))])
    await setTimeout(Math.max(0, answersAt - performance.now()))
    const attempts: (() => Promise<Attempt>)[] = sockets[user]!.map((socket, k) => async () => {
      const frame = await socket.request({ type: 'confirm', callback_id: id, proceed: k % 2 === 0, feedback: `socket ${k}` })
      return { name: `socket ${k}`, won: frame.type === 'reply', told: frame.type === 'reply' ? frame.data : frame.details }
    })
    const overRest = (name: string, method: string, node: number, path: string, token: string, body?: object) => async () => {
      const answer = await rest(origins[node]!, method, path, token, body)
      const won = answer.status === 200
      return { name, won, told: won ? { ...answer.body, outcome: answer.body.status } : answer.body.details }
    }
    for (let k = 0; k < 4; k++) {
      attempts.push(overRest(`rest ${k}`, 'POST', k % 3, `/ws/confirmations/${id}`, tokens[user]!, { proceed: k % 2 === 0, feedback: `rest ${k}` }))
    }
    const cancel = overRest('cancelled', 'DELETE', n % 3, `/ws/confirmations/${id}?reason=cancelled`, ADMIN)
    const cancelling = isCancelled ? [cancel()] : []
    // It takes a step more than the frames do, and would always be too late.
    if (isCancelled) await setTimeout(int(15))
    const results = await Promise.all([...cancelling, ...attempts.map((attempt) => attempt())])
    const end = await asking
    const winners = results.filter(({ won }) => won)
    const expected = end.outcome === 'expired' ? [] : [end.feedback]
    const isTold = results.every(({ told }) => told.outcome === end.outcome && told.proceed === end.proceed &&
      told.answered_by?.user_id === end.answered_by?.user_id && told.answered_by?.client_id === end.answered_by?.client_id)
    if (winners.length !== expected.length || winners[0]?.name !== expected[0] || !isTold) t.fail(JSON.stringify({ end, results }))
    wins[end.outcome === 'expired' || end.outcome === 'cancelled' ? end.outcome : 'answered']!++
    wins.losersTold! += results.length - winners.length
  }

  for (let from = 0; from < count; from += atOnce) {
    await Promise.all(Array.from({ length: atOnce }, (_, n) => race(from + n, lengthy(2_000, 1_000))))
  }
  // Every socket of the user is told of the end, once, and of the same one.
  await until(() => sockets.flat().every((socket) => socket.count('confirmation_closed') >= count / users))
  const told = new Map<string, Set<string>>()
  for (const { callback_id: id, outcome, answered_by: by } of sockets.flat().flatMap(({ received }) => received).filter(({ type }) => type === 'confirmation_closed')) {
    told.set(id, (told.get(id) ?? new Set()).add(JSON.stringify([outcome, by])))
  }
  t.strictSame([told.size, [...told.values()].filter(({ size }) => size !== 1)], [count, []])
  t.ok(wins.answered! > 0 && wins.expired! > 0 && wins.cancelled! > 0, 'each of them wins now and then')
  return { questions: count, ...wins }
})
