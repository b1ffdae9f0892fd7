import t from 'tap'
import { Connection } from '../../lib/socket/connection.js'
import { startApp, type TestApp } from '../fixtures/app.js'

type Connected = Awaited<ReturnType<TestApp['connect']>>
interface Page { total: number, clients: { client_id: string }[], next: string | null }

async function page (server: TestApp, query: Record<string, string | number>): Promise<Page> {
  const { status, body } = await server.rest('GET', `/ws/clients?${new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]))}`)
  if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`)
  return body
}

const ids = ({ clients }: Page) => clients.map(({ client_id: id }) => id)

/** Closes a socket, and resolves when the server knows that it is gone. */
async function leave (server: TestApp, client: Connected): Promise<void> {
  const gone = new Promise<void>((resolve) => {
    const off = server.app.ws.on('client_disconnected', ({ client: { id } }) => {
      if (id !== client.id) return
      off()
      resolve()
    })
  })
  await client.close()
  await gone
}

/** Sockets in the order of the list, which is by the millisecond: each is in before its successor's millisecond begins. */
async function connectInOrder (server: TestApp, count: number) {
  const clients = []
  for (let index = 0; index < count; index++) {
    clients.push(await server.connect(index % 2 === 0 ? 'alice' : 'bob'))
    const connected = Date.now()
    while (Date.now() <= connected) await new Promise((resolve) => setImmediate(resolve))
  }
  return clients
}

t.test('open sockets are listed with their properties, oldest first', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true }, authorizeSubscribe: () => true })
  const [alice, bob] = await connectInOrder(server, 2)
  const nobody = await server.connect('nobody', { token: null, protocols: [] })
  await alice!.request({ type: 'subscribe', channel_ids: ['room'] })
  const { body } = await server.rest('GET', '/ws/clients')
  t.strictSame(body, {
    total: 3,
    clients: [
      { client_id: alice!.id, user_id: 'alice', channels: ['room'], ip: '127.0.0.1', protocol: 'ws-manager.v1', connected_at: body.clients[0].connected_at, rtt_ms: null },
      { client_id: bob!.id, user_id: 'bob', channels: [], ip: '127.0.0.1', protocol: 'ws-manager.v1', connected_at: body.clients[1].connected_at, rtt_ms: null },
      { client_id: nobody.id, user_id: null, channels: [], ip: '127.0.0.1', protocol: null, connected_at: body.clients[2].connected_at, rtt_ms: null }
    ],
    next: null,
    complete: true,
    missing: []
  })
  const one = await server.rest('GET', `/ws/clients/${bob!.id}`)
  t.strictSame(one.body, body.clients[1])
})

t.test('a socket that has not authenticated is not listed', async (t) => {
  const server = await startApp(t, { auth: { firstFrame: true } })
  const waiting = await server.dial('alice', { token: null }).opened()
  t.equal((await page(server, {})).total, 0)
  await waiting.request({ type: 'auth', token: server.token('alice') })
  t.equal((await page(server, {})).total, 1)
})

t.test('the round-trip time is shown after the first ping', async (t) => {
  const server = await startApp(t, { heartbeat: { intervalMs: 10 } })
  const alice = await server.connect('alice')
  let rtt = null
  while (rtt === null) rtt = (await server.rest('GET', `/ws/clients/${alice.id}`)).body.rtt_ms
  t.ok(rtt >= 0 && rtt < 5_000)
})

t.test('pages of sockets follow one another to the end, each socket once', async (t) => {
  const server = await startApp(t)
  const clients = await connectInOrder(server, 5)
  const seen: string[] = []
  const totals: number[] = []
  let after: string | null = ''
  while (after !== null) {
    const next: Page = await page(server, { limit: 2, ...(after !== '' && { after }) })
    seen.push(...ids(next))
    totals.push(next.total)
    after = next.next
  }
  t.strictSame(seen, clients.map(({ id }) => id))
  t.strictSame(totals, [5, 5, 5])
  t.equal((await page(server, { limit: 5 })).next, null, 'a full last page has no next')
})

t.test('sockets of the same millisecond are all found by pages', async (t) => {
  const server = await startApp(t)
  const clients = await Promise.all(Array.from({ length: 30 }, () => server.connect('alice')))
  const seen: string[] = []
  for (let after: string | null = ''; after !== null;) {
    const next: Page = await page(server, { limit: 1, ...(after !== '' && { after }) })
    seen.push(...ids(next))
    after = next.next
  }
  t.same([...seen].sort(), clients.map(({ id }) => id).sort())
})

t.test('the next page continues correctly after the last socket of the previous page is gone', async (t) => {
  const server = await startApp(t)
  const clients = await connectInOrder(server, 5)
  const first = await page(server, { limit: 2 })
  await leave(server, clients[1]!)
  t.strictSame(ids(await page(server, { limit: 2, after: first.next! })), [clients[2]!.id, clients[3]!.id])
  for (const index of [0, 2, 3, 4]) await leave(server, clients[index]!)
  t.strictSame(await page(server, { after: first.next! }), { total: 0, clients: [], next: null, complete: true, missing: [] })
  const later = await server.connect('alice')
  t.strictSame(ids(await page(server, { after: first.next! })), [later.id], 'what came later is behind it')
})

t.test('the list can be restricted to one user, also by pages', async (t) => {
  const server = await startApp(t)
  const clients = await connectInOrder(server, 5)
  const alices = [clients[0]!.id, clients[2]!.id, clients[4]!.id]
  const all = await page(server, { user_id: 'alice' })
  t.equal(all.total, 3)
  t.strictSame(ids(all), alices)
  const first = await page(server, { user_id: 'alice', limit: 2 })
  t.strictSame(ids(first), alices.slice(0, 2))
  t.strictSame(ids(await page(server, { user_id: 'alice', limit: 2, after: first.next! })), alices.slice(2))
  t.strictSame(await page(server, { user_id: 'carol' }), { total: 0, clients: [], next: null, complete: true, missing: [] })
})

t.test('a socket that switched users keeps its position by age', async (t) => {
  const server = await startApp(t)
  const [oldest, second] = await connectInOrder(server, 2)
  await oldest!.request({ type: 'change_user', token: server.token('bob') })
  t.strictSame(ids(await page(server, { user_id: 'bob' })), [oldest!.id, second!.id])
  t.equal((await page(server, { user_id: 'alice' })).total, 0)
})

t.test('an invalid query is refused, and the error names the fault', async (t) => {
  const server = await startApp(t)
  for (const [query, path] of [['limit=0', '/limit'], ['limit=1001', '/limit'], ['limit=many', '/limit'], ['limit=1&limit=2', '/limit'], ['user_id=', '/user_id'],
    ['after=nonsense', '/after'], ['after=1:2:3', '/after'], ['page=2', '/page']] as const) {
    const refused = await server.rest('GET', `/ws/clients?${query}`)
    t.match(refused, { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path }] } }, query)
  }
})

t.test('a socket can be closed, with a reason that its client sees', async (t) => {
  const server = await startApp(t)
  const [alice, other] = await Promise.all([server.connect('alice'), server.connect('alice')])
  const closed = await server.rest('DELETE', `/ws/clients/${alice.id}?reason=signed%20out`)
  t.equal(closed.status, 204)
  t.equal(closed.body, null)
  t.strictSame(await alice.closed, { code: 4403, reason: 'signed out' })
  await other.settled()
  t.match(await server.rest('DELETE', `/ws/clients/${alice.id}`), { status: 404, body: { code: 'WSM_ERR_NOT_FOUND' } })
  t.match(await server.rest('GET', `/ws/clients/${alice.id}`), { status: 404, body: { code: 'WSM_ERR_NOT_FOUND' } })
  t.equal((await server.rest('DELETE', `/ws/clients/${other.id}`)).status, 204)
  t.match(await other.closed, { code: 4403, reason: 'Disconnected by the server' })
})

t.test('a close reason that is too long is refused', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  t.match(await server.rest('DELETE', `/ws/clients/${alice.id}?reason=${'x'.repeat(124)}`), { status: 400, body: { details: [{ path: '/reason' }] } })
  for (const method of ['GET', 'DELETE']) t.match(await server.rest(method, `/ws/clients/${'x'.repeat(65)}`), { status: 400, body: { details: [{ path: '/client_id' }] } })
  await alice.settled()
})

t.test('listing and closing sockets needs permission', async (t) => {
  const server = await startApp(t)
  const alice = await server.connect('alice')
  for (const [method, url] of [['GET', '/ws/clients'], ['GET', `/ws/clients/${alice.id}`], ['DELETE', `/ws/clients/${alice.id}`]] as const) {
    t.match(await server.rest(method, url, { as: null }), { status: 401 }, `${method} ${url}`)
    t.match(await server.rest(method, url, { as: 'alice' }), { status: 403 }, `${method} ${url}`)
  }
  await alice.settled()
})

t.test('a page of sockets costs only the page, however many sockets there are', async (t) => {
  const server = await startApp(t)
  const clients = await connectInOrder(server, 8)
  const records = t.capture(Connection.prototype, 'toRecord', Connection.prototype.toRecord)
  const first = await page(server, { limit: 2 })
  t.strictSame(ids(first), [clients[0]!.id, clients[1]!.id])
  t.equal(records().length, 2)
  const second = await page(server, { limit: 1, user_id: 'bob', after: first.next! })
  t.strictSame(ids(second), [clients[3]!.id])
  t.equal(second.total, 4)
  t.equal(records().length, 1)
})
