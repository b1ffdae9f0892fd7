import { getEventListeners } from 'node:events'
import t from 'tap'
import { Waiters } from '../../lib/confirmations/waiters.js'
import { startApp } from '../fixtures/app.js'
import { askStored } from '../fixtures/questions.js'

t.test('code that did not ask can wait for the end, any number of times', async (t) => {
  const server = await startApp(t)
  const { confirmations } = server.app.ws
  const { end, id } = await askStored(server, 'alice')
  const waits = [confirmations.wait(id), confirmations.wait(id)]
  await server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true, feedback: 'yes' } })
  const expected = await end
  t.match(expected, { outcome: 'confirmed', feedback: 'yes' })
  for (const wait of waits) t.strictSame(await wait, expected)
  t.strictSame(await confirmations.wait(id), expected, 'also when it has ended')
})

t.test('a wait that is given up rejects with the signal\'s reason and touches neither the question nor other waits', async (t) => {
  const server = await startApp(t)
  const { confirmations } = server.app.ws
  const { end, id } = await askStored(server, 'alice')
  const stop = new AbortController()
  const given = confirmations.wait(id, { signal: stop.signal })
  const kept = confirmations.wait(id)
  stop.abort(new Error('had enough'))
  await t.rejects(given, { message: 'had enough' })
  await t.rejects(confirmations.wait(id, { signal: stop.signal }), { message: 'had enough' }, 'also when it was given up before')
  t.match(await confirmations.get(id), { status: 'pending' })
  await confirmations.cancel(id)
  t.match(await kept, { outcome: 'cancelled' })
  t.match(await end, { outcome: 'cancelled' })
  t.equal(getEventListeners(stop.signal, 'abort').length, 0)
})

t.test('to wait for a question that never was is not found', async (t) => {
  const server = await startApp(t)
  await t.rejects(server.app.ws.confirmations.wait('nothing'), { code: 'WSM_ERR_NOT_FOUND' })
})

t.test('a wait ends when the server closes', async (t) => {
  const server = await startApp(t)
  const { id } = await askStored(server, 'alice')
  const wait = server.app.ws.confirmations.wait(id)
  await server.app.close()
  t.match(await wait, { outcome: 'closed', proceed: false })
})

t.test('waiters hear of their own key, and stopping forgets them', async (t) => {
  const waiters = new Waiters<string>()
  const [a, again, b] = [waiters.start('a'), waiters.start('a'), waiters.start('b')]
  t.equal(waiters.size, 2)
  waiters.settle('a', 'end of a')
  waiters.settle('nothing', 'nobody')
  t.strictSame(await Promise.all([a.promise, again.promise]), ['end of a', 'end of a'])
  a.stop()
  t.equal(waiters.size, 2, 'one of two still stands')
  again.stop()
  const later = waiters.start('a')
  again.stop()
  t.equal(waiters.size, 2, 'stopping twice does not take another\'s place')
  later.stop()
  b.stop()
  t.equal(waiters.size, 0)
})

t.test('a waiter that nobody awaits may reject without harm', async (t) => {
  const waiters = new Waiters<string>()
  const unhandled: unknown[] = []
  const listener = (reason: unknown) => { unhandled.push(reason) }
  process.on('unhandledRejection', listener)
  t.teardown(() => { process.removeListener('unhandledRejection', listener) })
  const { stop } = waiters.start('a', AbortSignal.abort(new Error('gone')))
  await new Promise((resolve) => setImmediate(resolve))
  stop()
  t.strictSame(unhandled, [])
})
