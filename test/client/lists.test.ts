import { Type } from '@sinclair/typebox'
import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { pageClient, withoutDelays } from '../fixtures/page-client.js'
import { TcpProxy } from '../fixtures/tcp-proxy.js'
import { until } from '../fixtures/until.js'

withoutDelays(t)

const Choice = Type.Object({ choice: Type.Union([Type.Literal('a'), Type.Literal('b')]) })

t.test('an answered question leaves the list', async (t) => {
  const server = await startApp(t)
  const { client } = pageClient(t, server, 'alice')
  const asked = server.app.ws.notifyUser({ step: 'choose', message: 'Which?', result: { rows: 3 } }, { userId: 'alice', taskId: 'task', timeoutMs: 60_000, answer: Choice })
  await until(() => client.confirmations.list.length === 1)
  const [question] = client.confirmations.list
  t.match(question, { kind: null, question: 'Which?', taskId: 'task', step: 'choose', result: { rows: 3 }, answerSchema: { type: 'object' }, onTimeout: 'cancel', isUncertain: false })
  t.ok(question!.remainingMs > 50_000 && question!.remainingMs <= 60_000)
  await t.rejects(question!.answer({ choice: 'c' }), { code: 'invalid_message', details: [{ path: '/answer/choice' }] })
  t.equal(client.confirmations.list[0], question, 'it is still the same')
  await question!.answer({ choice: 'b' }, 'Because')
  t.match(await asked, { proceed: true, answer: { choice: 'b' }, feedback: 'Because', outcome: 'confirmed' })
  await until(() => client.confirmations.list.length === 0)
  await t.rejects(question!.decline(), { code: 'already_settled', delivery: 'refused', details: { outcome: 'confirmed' } })
})

t.test('a declined question leaves the list, and the server gets the reason', async (t) => {
  const server = await startApp(t)
  const { client } = pageClient(t, server, 'alice')
  const lists: unknown[] = []
  client.confirmations.on('change', (list) => { lists.push(list.map(({ question }) => question)) })
  await client.ready()
  const asked = server.app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task' })
  await until(() => lists.length === 1)
  await client.confirmations.list[0]!.decline('No')
  t.match(await asked, { proceed: false, feedback: 'No', outcome: 'declined' })
  await until(() => lists.length === 2)
  t.same(lists, [['Go on?'], []])
})

t.test('after a reconnect the list has the questions asked meanwhile, and not those that ended', async (t) => {
  const server = await startApp(t, { history: { enabled: false } })
  const proxy = await TcpProxy.start(t, Number(new URL(server.origin).port))
  const { client, failures } = pageClient(t, { origin: `http://127.0.0.1:${proxy.port}`, token: server.token.bind(server) }, 'alice')
  const { ws } = server.app
  const ask = (message: string) => ws.notifyUser({ step: 1, message }, { userId: 'alice', taskId: 'task' })
  const asked = [ask('one'), ask('two')]
  const texts = () => client.confirmations.list.map(({ question }) => question)
  await until(() => texts().length === 2)
  const [, two] = client.confirmations.list
  proxy.blackHole()
  proxy.cut()
  await until(() => client.status === 'reconnecting')
  await ws.confirmations.cancel(client.confirmations.list[0]!.id)
  await asked[0]
  asked.push(ask('three'))
  proxy.heal()
  await until(() => texts().join() === 'two,three')
  t.equal(client.confirmations.list[0], two)
  t.same(failures, [])
  for (const { id } of client.confirmations.list) await ws.confirmations.cancel(id)
  await Promise.all(asked)
})

t.test('the list of tasks follows their progress, end and cancellation', async (t) => {
  const server = await startApp(t)
  const { client } = pageClient(t, server, 'alice')
  const { tasks } = server.app.ws
  await tasks.start({ userId: 'alice', taskId: 'one', title: 'One' })
  await tasks.progress('one', 40, 'row 400')
  await until(() => client.tasks.list.length === 1)
  t.match(client.tasks.get('one'), { title: 'One', status: 'running', progress: 40, message: 'row 400', finishedAt: null })
  const before = client.tasks.get('one')
  await tasks.log('one', 'a line')
  await until(() => client.tasks.get('one')!.logs.length === 1)
  t.not(client.tasks.get('one'), before, 'a change makes a new object')
  await tasks.done('one', { rows: 1_000 })
  await until(() => client.tasks.get('one')!.status === 'done')
  t.match(client.tasks.get('one'), { progress: 100, result: { rows: 1_000 }, finishedAt: Number })
  await tasks.start({ userId: 'alice', taskId: 'two', title: 'Two' })
  await until(() => client.tasks.get('two') !== undefined)
  await client.tasks.get('two')!.cancel()
  await until(() => client.tasks.get('two')!.status === 'cancelled')
  await t.rejects(client.tasks.get('one')!.cancel(), { code: 'already_settled' })
  t.equal(client.tasks.get('three'), undefined)
})

t.test('the lists of a new user have nothing of the previous one', async (t) => {
  const server = await startApp(t)
  let user = 'alice'
  const { client } = pageClient(t, server, 'alice', { getToken: () => server.token(user) })
  const asked = server.app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task' })
  await server.app.ws.tasks.start({ userId: 'alice', taskId: 'task', title: 'Task' })
  await until(() => client.confirmations.list.length === 1 && client.tasks.list.length === 1)
  client.close()
  user = 'bob'
  client.connect()
  await client.ready()
  t.equal(client.me!.userId, 'bob')
  t.same([client.confirmations.list.length, client.tasks.list.length], [0, 0])
  const { confirmations: [record] } = await server.app.ws.confirmations.list({ userId: 'alice' })
  await server.app.ws.confirmations.cancel(record!.callback_id)
  await asked
})
