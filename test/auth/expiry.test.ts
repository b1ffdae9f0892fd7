import t from 'tap'
import { startApp } from '../fixtures/app.js'

/** A token that expires at a whole second, as tokens do. */
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

t.test('a socket is closed when its token expires, also when nothing happens on it', async (t) => {
  const server = await startApp(t)
  const exp = inSeconds(2)
  const client = await server.connect('alice', { claims: { exp } })
  t.same(await client.closed, { code: 4401, reason: 'The token has expired' })
  const lateMs = Date.now() - exp * 1000
  t.ok(lateMs >= 0 && lateMs < 2_000, `${lateMs} ms late`)
  t.same(client.received.filter(({ type }) => type === 'token_expiring'), [{ type: 'token_expiring', expires_at: exp * 1000 }], 'told once')
})

t.test('a fresh token in time keeps the socket, with all that it has', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true })
  const client = await server.connect('alice', { claims: { exp: inSeconds(2) }, path: '/ws?channel_id=room' })
  await client.next('token_expiring')
  const later = inSeconds(600)
  t.match(await client.request({ type: 'auth', token: server.token('alice', { exp: later }) }), { type: 'reply', data: { expires_at: later * 1000, channels: ['room'] } })
  const other = await server.connect('bob', { claims: { exp: inSeconds(1) } })
  t.equal((await other.closed).code, 4401)
  // Two sweeps later than that one, the first would have gone as well.
  const end = performance.now() + 2_000
  while (performance.now() < end) await client.settled()
  t.equal(client.count('token_expiring'), 1)
  t.match(await server.app.ws.sendToChannel('room', { type: 'x.y' }), { localRecipients: 1 })
})

t.test('the notice comes as early as the app wants it', async (t) => {
  const server = await startApp(t, { auth: { expiryNoticeMs: 3_600_000 } })
  const client = await server.connect('alice', { claims: { exp: inSeconds(600) } })
  await client.next('token_expiring')
})

t.test('who has no token that ends stays', async (t) => {
  const server = await startApp(t, { auth: { anonymous: true, requireExp: false } })
  const [nobody, forever] = [await server.connect('', { token: null }), await server.connect('alice', { claims: { exp: undefined } })]
  const other = await server.connect('bob', { claims: { exp: inSeconds(1) } })
  await other.closed
  for (const client of [nobody, forever]) {
    await client.settled()
    t.equal(client.count('token_expiring'), 0)
  }
})
