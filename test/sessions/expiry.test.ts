import fastifyJwt from '@fastify/jwt'
import t, { type Test } from 'tap'
import { SECRET, startApp, type TestApp } from '../fixtures/app.js'

/** A token that expires at a whole second, as tokens do. */
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

t.test('an idle socket is closed with 4401 when its token expires', async (t) => {
  const server = await startApp(t)
  const exp = inSeconds(2)
  const client = await server.connect('alice', { claims: { exp } })
  t.same(await client.closed, { code: 4401, reason: 'The token has expired' })
  const lateMs = Date.now() - exp * 1000
  t.ok(lateMs >= 0 && lateMs < 2_000, `${lateMs} ms late`)
  t.same(client.received.filter(({ type }) => type === 'token_expiring'), [{ type: 'token_expiring', expires_at: exp * 1000 }], 'told once')
})

t.test('a socket with a fresh token in time stays open with its channels', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const client = await server.connect('alice', { claims: { exp: inSeconds(2) }, path: '/ws?channel_id=room' })
  await client.next('token_expiring')
  const later = inSeconds(600)
  t.match(await client.request({ type: 'auth', token: server.token('alice', { exp: later }) }), { type: 'reply', data: { expires_at: later * 1000, channels: ['room'] } })
  const other = await server.connect('bob', { claims: { exp: inSeconds(2) } })
  t.equal((await other.closed).code, 4401)
  // Two sweeps later than that one, the first would have gone as well.
  const end = performance.now() + 2_000
  while (performance.now() < end) await client.settled()
  t.equal(client.count('token_expiring'), 1)
  t.match(await server.app.ws.sendToChannel('room', { type: 'x.y' }), { localRecipients: 1 })
})

t.test('token_expiring is sent as early as the app configures', async (t) => {
  const server = await startApp(t, { auth: { expiryNoticeMs: 3_600_000 } })
  const client = await server.connect('alice', { claims: { exp: inSeconds(600) } })
  await client.next('token_expiring')
})

t.test('a socket whose token has no expiry stays open', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true, requireExp: false } })
  const [nobody, forever] = [await server.connect('', { token: null }), await server.connect('alice', { claims: { exp: undefined } })]
  const other = await server.connect('bob', { claims: { exp: inSeconds(2) } })
  await other.closed
  for (const client of [nobody, forever]) {
    await client.settled()
    t.equal(client.count('token_expiring'), 0)
  }
})

/** Verifiers that take a token whose expiry is over, and until when: milliseconds behind its expiry, null: for ever. */
const tolerances: Array<[name: string, verify: object, claims: (exp: number) => object, lateMs: number | null]> = [
  ['clockTolerance', { clockTolerance: 3_600_000 }, () => ({}), 3_600_000],
  ['ignoreExpiration', { ignoreExpiration: true }, () => ({}), null],
  ['maxAge in seconds', { clockTolerance: 3_600_000, maxAge: 1_000 }, (exp) => ({ iat: exp - 60 }), 940_000],
  ['maxAge as text', { ignoreExpiration: true, maxAge: '20m' }, (exp) => ({ iat: exp - 60 }), 1_140_000]
]

/** An app with these options of the verifier, of its own @fastify/jwt or the plugin's. */
const verifying = (t: Test, verify: object, isHosts: boolean): Promise<TestApp> => {
  const jwt = { secret: SECRET, verify: { algorithms: ['HS256' as const], ...verify } }
  return startApp(t, isHosts ? {} : { jwt }, { ...isHosts && { before: async (app) => { await app.register(fastifyJwt, jwt) } } })
}

/** Verifiers for which a token ends at that second. */
const ends: Array<[verify: object, claimsOf: (end: number) => object]> = [
  [{ clockTolerance: 60_000 }, (end) => ({ exp: end - 60 })], [{ maxAge: '1m' }, (end) => ({ iat: end - 60, exp: end + 600 })]
]

t.test('a socket stays open exactly as long as the verifier accepts its token', async (t) => {
  // Longer ago than revocations are kept for the sake of wrong clocks.
  const exp = inSeconds(-300)
  const living = await Promise.all(tolerances.flatMap(([name, verify, claimsOf, lateMs]) => [true, false].map(async (isHosts) => {
    const server = await verifying(t, verify, isHosts)
    const token = server.token('alice', { exp, jti: 'laptop', roles: ['ws:admin'], ...claimsOf(exp) })
    const headers = { authorization: `Bearer ${token}` }
    const expiresAt = lateMs === null ? null : exp * 1000 + lateMs
    const client = await server.connect('alice', { token })
    t.equal(client.received[0]!.data.expires_at, expiresAt, `${name}: what the client is told`)
    t.match(await client.request({ type: 'auth', token }), { type: 'reply', data: { expires_at: expiresAt } }, `${name}: by auth`)
    t.equal((await server.rest('GET', '/ws/status', { as: null, headers })).status, 200, `${name}: by REST`)
    const { body } = await server.rest('POST', '/ws/tickets', { as: null, headers })
    const other = await server.connect('', { token: null, path: `/ws?ticket=${body.ticket}` })
    t.equal(other.received[0]!.data.expires_at, expiresAt, `${name}: by ticket`)
    return { name, server, token, clients: [client, other] }
  })))
  // Until these are closed the others have been looked at twice.
  await Promise.all(ends.map(async ([verify, claimsOf]) => {
    const server = await verifying(t, verify, false)
    const end = inSeconds(2)
    const client = await server.connect('alice', { claims: claimsOf(end) })
    t.equal(client.received[0]!.data.expires_at, end * 1000)
    t.same(await client.closed, { code: 4401, reason: 'The token has expired' })
    t.ok(Date.now() >= end * 1000)
    await t.rejects(server.connect('alice', { claims: claimsOf(end) }), { message: 'upgrade refused: 401' }, 'nor is it taken again')
  }))
  await Promise.all(living.map(async ({ name, server, token, clients }) => {
    for (const client of clients) await client.settled()
    t.match(await server.app.ws.revoke({ jti: 'laptop', expiresAt: exp * 1000 }), { closed: 2, complete: true }, `${name}: revoked`)
    await t.rejects(server.connect('alice', { token }), { message: 'upgrade refused: 401' }, `${name}: a revocation lasts as long`)
  }))
})
