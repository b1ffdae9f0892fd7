import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { refusal } from '../fixtures/refusal.js'

/** An authorizeSubscribe that allows everything when the gate opens. `allAsked`: so many wait for it. */
function held (count: number) {
  const gate = new Gate()
  let asked = 0
  let reached = () => {}
  const allAsked = new Promise<void>((resolve) => { reached = resolve })
  const authorizeSubscribe = async (): Promise<boolean> => {
    if (++asked === count) reached()
    await gate.wait()
    return true
  }
  return { authorizeSubscribe, allAsked, gate }
}

t.test('a socket over limits.maxConnectionsPerUser is refused with 429 or closed with 1013', async (t) => {
  const server = await startApp(t, { limits: { maxConnectionsPerUser: 2 } })
  const clients = [await server.connect('alice'), await server.connect('alice')]
  t.match(await refusal(server.dial('alice')), { statusCode: 429, body: { code: 'WSM_ERR_TOO_MANY_CONNECTIONS', message: /2 connections/ } })
  await server.connect('bob')
  t.equal(server.app.ws.getStatus().rejected.connections_per_user, 1)
  await clients[0]!.close()
  await server.connect('alice')

  const closing = await startApp(t, { limits: { maxConnectionsPerUser: 1 }, rejectMode: 'close' })
  const first = await closing.connect('alice')
  const second = await closing.dial('alice').opened()
  t.match(await second.closed, { code: 1013, reason: /1 connections/ })
  await first.settled()
})

t.test('limits.maxConnectionsPerUser holds for simultaneous upgrades', async (t) => {
  const server = await startApp(t, { limits: { maxConnectionsPerUser: 3 } })
  const outcomes = await Promise.all(Array.from({ length: 30 }, () => server.dial('alice').opened().then(() => 101, ({ statusCode }) => statusCode)))
  t.same(outcomes.sort(), [101, 101, 101, ...Array(27).fill(429)])
  t.equal(server.app.ws.getConnectionCount(), 3)
})

t.test('limits.maxConnectionsPerUser holds for auth frames, also simultaneous ones', async (t) => {
  const { authorizeSubscribe, allAsked, gate } = held(3)
  const server = await startApp(t, { auth: { firstFrame: true }, limits: { maxConnectionsPerUser: 1 }, authorizeSubscribe })
  const token = server.token('alice')
  await server.connect('alice')
  const late = await server.dial('', { token: null }).opened()
  t.match(await late.request({ type: 'auth', token }), { type: 'error', code: 'too_many_connections' })
  t.match(await late.request({ type: 'auth', token: server.token('bob') }), { type: 'reply' }, 'as somebody else it may come')
  t.match(await late.request({ type: 'change_user', token }), { type: 'error', code: 'too_many_connections' })
  t.match(await late.request({ type: 'auth', token: server.token('bob') }), { type: 'reply' }, 'nor does it count itself')

  const racing = await Promise.all(Array.from({ length: 3 }, () => server.dial('', { token: null, path: '/ws?channel_id=news' }).opened()))
  for (const client of racing) client.send({ type: 'auth', token: server.token('cleo') })
  await allAsked
  gate.open()
  const codes: number[] = []
  await new Promise<void>((resolve) => {
    for (const { closed } of racing) closed.then(({ code }) => { if (codes.push(code) === 2) resolve() })
  })
  t.same(codes, [1013, 1013], 'of those that asked together the later ones go')
  t.equal(server.app.ws.getStatus().active_connections, 3)
})

t.test('onDuplicateUser replace closes the older socket with 4409', async (t) => {
  const server = await startApp(t, { onDuplicateUser: 'replace', auth: { firstFrame: true }, limits: { maxConnectionsPerUser: 1 } })
  const first = await server.connect('alice')
  const bystander = await server.connect('bob')
  const second = await server.connect('alice')
  t.match(await first.closed, { code: 4409, reason: /newer connection/ })
  const third = await server.dial('', { token: null }).opened()
  await third.request({ type: 'auth', token: server.token('alice') })
  t.match(await second.closed, { code: 4409 })
  t.match(await third.request({ type: 'auth', token: server.token('alice') }), { type: 'reply' }, 'a fresh token replaces nothing')
  await bystander.request({ type: 'change_user', token: server.token('alice') })
  t.match(await third.closed, { code: 4409 })
  t.match(server.app.ws.getStatus(), { active_connections: 1, users: 1, rejected: { duplicate_user: 3 } })
})

t.test('with onDuplicateUser replace one of many simultaneous sockets stays open', async (t) => {
  const server = await startApp(t, { onDuplicateUser: 'replace' })
  const clients = await Promise.all(Array.from({ length: 10 }, () => server.dial('alice').opened()))
  while (server.app.ws.getConnectionCount() > 1) await new Promise((resolve) => setImmediate(resolve))
  t.equal(server.app.ws.getConnectionCount(), 1)
  const [stays] = [...await Promise.all(clients.map((client) => Promise.race([client.closed.then(() => null), client.settled().then(() => client, () => null)])))].filter((client) => client !== null)
  t.match(await stays!.request({ type: 'connection' }), { data: { user_id: 'alice' } })
})

t.test('onDuplicateUser refuse answers the newer socket with 409, 4409 or, for an auth frame, an error', async (t) => {
  const server = await startApp(t, { onDuplicateUser: 'refuse', auth: { firstFrame: true, anonymous: false } })
  const first = await server.connect('alice')
  t.match(await refusal(server.dial('alice')), { statusCode: 409, body: { code: 'WSM_ERR_ALREADY_CONNECTED' } })
  const other = await server.dial('', { token: null }).opened()
  t.match(await other.request({ type: 'auth', token: server.token('alice') }), { code: 'already_connected' })
  t.match(await first.request({ type: 'auth', token: server.token('alice') }), { type: 'reply' })
  await first.close()
  t.match(await other.request({ type: 'auth', token: server.token('alice') }), { type: 'reply' })

  const closing = await startApp(t, { onDuplicateUser: 'refuse', rejectMode: 'close', auth: { anonymous: true } })
  await closing.connect('alice')
  t.match(await (await closing.dial('alice').opened()).closed, { code: 4409 })
  await closing.connect('', { token: null })
  await closing.connect('', { token: null })
  t.equal(closing.app.ws.getStatus().rejected.duplicate_user, 1, 'nobody is not one user')
})

t.test('with onDuplicateUser refuse one of two simultaneous first auth frames is closed with 4409', async (t) => {
  const { authorizeSubscribe, allAsked, gate } = held(2)
  const server = await startApp(t, { onDuplicateUser: 'refuse', auth: { firstFrame: true }, authorizeSubscribe })
  const clients = await Promise.all([1, 2].map(() => server.dial('', { token: null, path: '/ws?channel_id=news' }).opened()))
  for (const client of clients) client.send({ type: 'auth', token: server.token('alice') })
  await allAsked
  gate.open()
  t.match(await Promise.race(clients.map(({ closed }) => closed)), { code: 4409 })
  t.equal(server.app.ws.getConnectionCount(), 1)
})

t.test('limits.maxUnauthenticated limits sockets that wait for their first auth frame, and no others', async (t) => {
  for (const rejectMode of ['http', 'close'] as const) {
    const server = await startApp(t, { auth: { firstFrame: true }, limits: { maxUnauthenticated: 2 }, rejectMode })
    const waiting = await Promise.all([1, 2].map(() => server.dial('', { token: null }).opened()))
    if (rejectMode === 'http') t.match(await refusal(server.dial('', { token: null })), { statusCode: 503, headers: { 'retry-after': /\d/ } })
    else t.match(await (await server.dial('', { token: null }).opened()).closed, { code: 1013 })
    await server.connect('alice')
    await waiting[0]!.request({ type: 'auth', token: server.token('bob') })
    await server.dial('', { token: null }).opened()
    const ended = new Promise<void>((resolve) => server.app.ws.on('client_disconnected', () => resolve()))
    waiting[0]!.socket.close()
    await ended
    waiting[1]!.socket.terminate()
    while (server.app.ws.getConnectionCount() > 2) await new Promise((resolve) => setImmediate(resolve))
    await server.dial('', { token: null }).opened()
    t.equal(server.app.ws.getStatus().rejected.unauthenticated, 1)
  }
})
