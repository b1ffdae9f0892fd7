import t, { type Test } from 'tap'
import { Tickets } from '../../lib/auth/tickets.js'
import { localClock } from '../../lib/engine/clock.js'
import { MemoryTicketStore } from '../../lib/engine/memory/tickets.js'
import { createLimits } from '../../lib/telemetry/limits.js'
import { inAnHour, startApp, type TestApp } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'

const alice = { id: 'alice', claims: {}, expiresAt: null, issuedAt: null, jti: null }

async function ticketOf (server: TestApp, as = 'alice'): Promise<string> {
  return (await server.rest('POST', '/ws/tickets', { as })).body.ticket
}

const withTicket = (ticket: string) => ({ token: null, path: `/ws?ticket=${ticket}` })

function ticketsIn (t: Test, store = new MemoryTicketStore(1_000), limit = createLimits().tickets): Tickets {
  t.teardown(() => store.close())
  return new Tickets(store, 1_000, localClock, limit)
}

t.test('a ticket opens one socket, once, as its user and with the token\'s expiry', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: (user) => user?.claims.team === 'red' })
  const exp = inAnHour()
  const before = Date.now()
  const token = server.token('alice', { exp, team: 'red' })
  const answer = await server.rest('POST', '/ws/tickets', { as: null, headers: { authorization: `Bearer ${token}` } })
  t.match(answer, { status: 200, body: { ticket: /^[\w-]{22}$/ } })
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.ok(answer.body.expires_at >= before + 30_000 && answer.body.expires_at <= Date.now() + 30_000)
  const client = await server.connect('', { token: null, path: `/ws?ticket=${answer.body.ticket}&channel_id=news` })
  t.match(client.received[0], { data: { user_id: 'alice', expires_at: exp * 1000, channels: ['news'] } })
  t.match(await refusal(server.dial('', withTicket(answer.body.ticket))), { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } }, 'not twice')
  t.match(await client.request({ type: 'auth', token: server.token('bob') }), { data: { user_id: 'bob' } }, 'and the socket is like any other')
})

t.test('of many simultaneous uses of one ticket exactly one succeeds', async (t) => {
  const server = await startApp(t)
  const ticket = await ticketOf(server)
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => server.dial('', withTicket(ticket)).opened().then(() => 101, ({ statusCode }) => statusCode)))
  t.same(outcomes.sort(), [101, ...Array(19).fill(401)])
})

t.test('a ticket requires a token and an allowed page', async (t) => {
  const server = await startApp(t)
  t.equal((await server.rest('POST', '/ws/tickets', { as: null })).status, 401)
  t.equal((await server.rest('POST', '/ws/tickets', { as: 'alice', headers: { origin: 'https://evil.example' } })).status, 403)
  t.equal((await server.rest('POST', '/ws/tickets', { as: 'alice', headers: { origin: server.origin } })).status, 200)
  const ticket = await ticketOf(server)
  t.equal((await refusal(server.dial('', { ...withTicket(ticket), socket: { origin: 'https://evil.example' } }))).statusCode, 403)
  await server.connect('', { ...withTicket(ticket), socket: { origin: server.origin } })
})

t.test('an invalid ticket is 401 even with anonymous sockets, and a ticket is not a REST token', async (t) => {
  for (const auth of [{}, { anonymous: true, firstFrame: true }]) {
    const server = await startApp(t, { auth })
    const good = await ticketOf(server)
    for (const query of ['ticket=', 'ticket=x', `ticket=${'x'.repeat(22)}`, `ticket=${'x'.repeat(5_000)}`, `ticket=${good}&ticket=${good}`, `ticket=${good}%00`, `ticket[]=${good}`]) {
      const path = `/ws?${query}`
      if (query.startsWith('ticket[]') && 'anonymous' in auth) continue
      t.match(await refusal(server.dial('', { token: null, path })), { statusCode: 401 }, query.slice(0, 40))
    }
    t.match(await refusal(server.dial('alice', { path: `/ws?ticket=${good}` })), { statusCode: 401 }, 'a token and a ticket are too much')
    t.equal((await server.rest('GET', `/ws/tasks/x?ticket=${good}`, { as: null })).status, 401)
    await server.connect('', withTicket(good))
    t.pass('none of this has used it up')
  }
})

t.test('a ticket expires by itself, or with the token', async (t) => {
  const server = await startApp(t, { auth: { ticketTtlMs: 20 } })
  const ticket = await ticketOf(server)
  await new Promise((resolve) => setTimeout(resolve, 40))
  t.equal((await refusal(server.dial('', withTicket(ticket)))).statusCode, 401)

  const tickets = ticketsIn(t)
  const soon = Date.now() + 20
  const bound = await tickets.issue({ ...alice, expiresAt: soon })
  t.equal(bound.expires_at, soon)
  await new Promise((resolve) => setTimeout(resolve, 40))
  await t.rejects(tickets.redeem(bound.ticket), { code: 'WSM_ERR_UNAUTHORIZED' })
})

t.test('tickets are limited per user and in all', async (t) => {
  const limit = createLimits().tickets
  const tickets = ticketsIn(t, new MemoryTicketStore(1_000, { perUser: 3, inAll: 5 }), limit)
  const first = await tickets.issue(alice)
  for (let i = 0; i < 2; i++) await tickets.issue(alice)
  await t.rejects(tickets.issue(alice), { code: 'WSM_ERR_RATE_LIMITED', statusCode: 429 })
  await tickets.redeem(first.ticket)
  await tickets.issue(alice)
  t.pass('a used one makes room')
  for (let i = 0; i < 2; i++) await tickets.issue({ ...alice, id: 'bob' })
  await t.rejects(tickets.issue({ ...alice, id: 'cleo' }), { code: 'WSM_ERR_UNAVAILABLE', statusCode: 503 })
  t.equal(limit.value, 2)
})

t.test('expired tickets make room for new ones', async (t) => {
  const store = new MemoryTicketStore(10_000, { perUser: 1, inAll: 5 })
  t.teardown(() => store.close())
  await store.put('a', alice, Date.now() - 1)
  await store.put('b', alice, Date.now() + 1_000)
  t.equal(await store.take('a'), null)
  t.same(await store.take('b'), alice)
  t.equal(await store.take('b'), null)
})
