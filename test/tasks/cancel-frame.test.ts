import t from 'tap'
import { startApp } from '../fixtures/app.js'

t.test('a cancel frame stops the sender\'s own task, and every socket of the user learns who cancelled it', async (t) => {
  const server = await startApp(t)
  const { task, signal } = await server.app.ws.tasks.start({ userId: 'alice' })
  const clients = [await server.connect('alice'), await server.connect('alice')]
  const stranger = await server.connect('bob')
  const answer = await clients[0]!.request({ type: 'cancel', task_id: task.task_id, user_id: 'alice' })
  t.match(answer, { type: 'reply', data: { task_id: task.task_id } })
  t.equal(signal.aborted, true)
  for (const client of clients) {
    t.match(await client.next('task_cancelled'), {
      task_id: task.task_id, user_id: 'alice', cancelled_by: { user_id: 'alice', client_id: clients[0]!.id }, timestamp: Number
    })
  }
  await stranger.settled()
  t.equal(stranger.count('task_cancelled'), 0)
  t.match(await clients[1]!.request({ type: 'cancel', task_id: task.task_id }), { code: 'already_settled' })
})

t.test('a cancel frame for another user\'s task is refused', async (t) => {
  const server = await startApp(t)
  const { task, signal } = await server.app.ws.tasks.start({ userId: 'alice' })
  const cancelled: unknown[] = []
  server.app.ws.on('task_cancelled', (event) => cancelled.push(event))
  const alice = await server.connect('alice')
  const bob = await server.connect('bob')
  t.match(await bob.request({ type: 'cancel', task_id: task.task_id }), { code: 'forbidden' })
  t.match(await bob.request({ type: 'cancel', task_id: task.task_id, user_id: 'alice' }), { code: 'forbidden' })
  t.match(await bob.request({ type: 'cancel', task_id: 'unknown', user_id: 'alice' }), { code: 'forbidden' })
  await alice.settled()
  t.equal(alice.count('task_cancelled'), 0)
  t.equal(signal.aborted, false)
  t.equal(cancelled.length, 0)
})
