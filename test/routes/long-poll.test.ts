import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { protocol, startApp } from '../fixtures/app.js'
import { event } from '../fixtures/client.js'
import { askStored } from '../fixtures/questions.js'

/** Watches the handler of `GET /ws/confirmations/:callback_id`. */
class Polls extends EventEmitter<{ began: [unknown], ended: [] }> {
  begun = 0

  readonly before = (app: FastifyInstance) => {
    app.addHook('onRoute', (route) => {
      if (!route.url.endsWith('/confirmations/:callback_id') || route.method !== 'GET') return
      const { handler } = route
      route.handler = async (request, reply) => {
        // Called in the same turn in which the handler comes to wait.
        const answer = handler.call(app, request, reply)
        this.begun++
        this.emit('began', request.raw.socket)
        try {
          return await answer
        } finally {
          this.emit('ended')
        }
      }
    })
  }

  async waiting (count: number): Promise<void> {
    while (this.begun < count) await event(this, 'began')
  }
}

t.test('a handlerTimeout of the host does not end a long poll, and is a 503 elsewhere', async (t) => {
  const polls = new Polls()
  let finish!: () => void
  const server = await startApp(t, {}, {
    before: polls.before,
    fastify: { handlerTimeout: 50 },
    after: ({ ws }) => ws.handle('do.wait', { schema: Type.Object({}), rest: true }, () => new Promise<void>((resolve) => { finish = resolve }))
  })
  const { id } = await askStored(server, 'alice')
  const poll = server.rest('GET', `/ws/confirmations/${id}?wait=60`, { as: 'alice' })
  await polls.waiting(1)
  const called = await server.rest('POST', '/ws/call/do.wait', { as: 'alice' })
  finish()
  t.match(called, { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } }, 'it began later, and is over')
  await server.app.ws.confirmations.answer(id, { proceed: true }, { user_id: 'alice', client_id: null })
  t.match(await poll, { status: 200, body: { status: 'confirmed' } })
})

t.test('a long poll resolves as soon as the question is answered, for all who wait', async (t) => {
  const polls = new Polls()
  const server = await startApp(t, {}, polls)
  const alice = await server.connect('alice')
  const { id } = await askStored(server, 'alice')
  const url = `/ws/confirmations/${id}?wait=60`
  const answers = ['alice', 'alice', 'alice', 'admin'].map((as) => server.rest('GET', url, { as }))
  await polls.waiting(4)
  await alice.request({ type: 'confirm', callback_id: id, proceed: true, feedback: 'now' })
  for (const { status, body } of await Promise.all(answers)) {
    t.equal(status, 200)
    t.match(body, { callback_id: id, status: 'confirmed', proceed: true, feedback: 'now', answered_by: { client_id: alice.id } })
  }
  t.match((await server.rest('GET', url, { as: 'alice' })).body, { status: 'confirmed' }, 'one that comes later at once')
})

t.test('a long poll whose token is revoked meanwhile is not answered', async (t) => {
  const polls = new Polls()
  const server = await startApp(t, {}, polls)
  const { id } = await askStored(server, 'alice')
  const answer = server.rest('GET', `/ws/confirmations/${id}?wait=60`, { as: 'alice' })
  await polls.waiting(1)
  await server.app.ws.revoke({ userId: 'alice' })
  await server.app.ws.confirmations.cancel(id)
  t.match(await answer, { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
})

t.test('a long poll is notified of every end', async (t) => {
  const polls = new Polls()
  const server = await startApp(t, {}, polls)
  const expiring = await askStored(server, 'alice', { timeoutMs: 100 })
  const cancelled = await askStored(server, 'alice')
  const [first, second] = [expiring, cancelled].map(({ id }) => server.rest('GET', `/ws/confirmations/${id}?wait=60`, { as: 'alice' }))
  await polls.waiting(2)
  await server.app.ws.confirmations.cancel(cancelled.id)
  t.match((await first!).body, { status: 'expired', proceed: false, answered_by: null })
  t.match((await second!).body, { status: 'cancelled', proceed: false, answered_by: null })
})

t.test('a long poll returns pending when its time is over, and the question stays open', async (t) => {
  const server = await startApp(t)
  const { id, end } = await askStored(server, 'alice')
  for (const query of ['', '?wait=0', '?wait=0.02']) {
    t.match(await server.rest('GET', `/ws/confirmations/${id}${query}`, { as: 'alice' }), { status: 200, body: { status: 'pending', proceed: null } }, query)
  }
  await server.app.ws.confirmations.cancel(id)
  t.match(await end, { outcome: 'cancelled' })
})

t.test('a long poll ends when the server closes, and does not delay it', async (t) => {
  const polls = new Polls()
  const server = await startApp(t, {}, polls)
  const { id } = await askStored(server, 'alice')
  const poll = server.rest('GET', `/ws/confirmations/${id}?wait=60`, { as: 'alice' })
  await polls.waiting(1)
  await server.app.close()
  t.match(await poll, { status: 200, body: { status: 'closed', proceed: false } })
})

t.test('long polls on one connection leave no listener on it', async (t) => {
  const polls = new Polls()
  const server = await startApp(t, {}, polls)
  const { id } = await askStored(server, 'alice')
  const counts: number[] = []
  const seen = new Set<Socket>()
  // Over HTTP/2 a request's own socket is a proxy of its stream.
  server.app.server.on('secureConnection', (socket: Socket) => seen.add(socket)).on('connection', (socket: Socket) => seen.add(socket))
  for (let poll = 0; poll < 20; poll++) {
    t.equal((await server.rest('GET', `/ws/confirmations/${id}?wait=0.001`, { as: 'alice' })).status, 200)
    counts.push([...seen].reduce((sum, socket) => sum + socket.listenerCount('close'), 0))
  }
  t.equal(seen.size, protocol.http, 'one connection; with TLS there is the one beneath it')
  t.equal(new Set(counts.slice(1)).size, 1, `always as many: ${counts.join()}`)
})

for (const [when, asksPermission] of [['while it waits', false], ['while permission is asked', true]] as const) {
  t.test(`a caller who hangs up ${when} leaves no wait behind`, async (t) => {
    let allow = () => {}
    const allowed = new Promise<void>((resolve) => { allow = resolve })
    const polls = new Polls()
    const authorize = async () => {
      await allowed
      return true
    }
    const server = await startApp(t, { authorize }, polls)
    const { id } = await askStored(server, 'alice')
    const arrived = event(server.app.server, 'request') as Promise<[unknown, ServerResponse]>
    const began = event(polls, 'began')
    const poll = server.begin('GET', `/ws/confirmations/${id}?wait=60`, { as: asksPermission ? 'admin' : 'alice' })
    const [, response] = await arrived
    await began
    const gone = event(response, 'close')
    const ended = event(polls, 'ended')
    poll.hangUp()
    await gone
    allow()
    await ended
    t.match(await server.app.ws.confirmations.get(id), { status: 'pending' })
    t.same(server.logs.filter(({ level }) => level >= 50), [], 'and no error in the log')
  })
}
