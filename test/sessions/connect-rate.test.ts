import t from 'tap'
import { ConnectRate } from '../../lib/sessions/connect-rate.js'
import { createLimits } from '../../lib/telemetry/limits.js'
import { startApp } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'

t.test('an address over limits.connectionsPerIpPerMinute is refused with 429 and the time to wait', async (t) => {
  const server = await startApp(t, { limits: { connectionsPerIpPerMinute: 3 }, auth: { firstFrame: true } })
  await server.connect('alice')
  await server.dial('', { token: null }).opened()
  t.equal((await refusal(server.dial('', { token: 'bad' }))).statusCode, 401, 'bad ones count as well')
  const answer = await refusal(server.dial('alice'))
  t.match(answer, { statusCode: 429, body: { code: 'WSM_ERR_RATE_LIMITED' } })
  const after = Number(answer.headers['retry-after'])
  t.ok(after > 50 && after <= 60, `${after} s`)
  t.equal((await server.rest('GET', '/ws/status')).body.rejected.connections_per_ip, 1, 'REST is not counted')
})

t.test('with rejectMode close an address over limits.connectionsPerIpPerMinute is closed with 1013', async (t) => {
  const server = await startApp(t, { limits: { connectionsPerIpPerMinute: 1 }, rejectMode: 'close' })
  await server.connect('alice')
  t.match(await (await server.dial('alice').opened()).closed, { code: 1013 })
})

t.test('behind a trusted proxy upgrades are counted by the client\'s address', async (t) => {
  const server = await startApp(t, { limits: { connectionsPerIpPerMinute: 1 } }, { fastify: { trustProxy: true } })
  const from = (address: string) => server.dial('alice', { socket: { headers: { 'x-forwarded-for': address } } })
  await from('203.0.113.1').opened()
  await from('203.0.113.2').opened()
  t.equal((await refusal(from('203.0.113.1'))).statusCode, 429)
})

const limit = createLimits().connections_per_ip
const over = { code: 'WSM_ERR_RATE_LIMITED' }

t.test('the minute of the connect rate begins with the first upgrade of an address', (t) => {
  const rate = new ConnectRate(2, limit)
  for (const now of [1_000, 30_000]) rate.hit('a', now)
  t.throws(() => rate.hit('a', 60_999), { ...over, retryAfterS: 1 })
  rate.hit('b', 60_999)
  rate.hit('a', 61_000)
  rate.hit('a', 61_000)
  t.throws(() => rate.hit('a', 61_000), { ...over, retryAfterS: 60 })
  t.end()
})

t.test('a connect rate of 0 is no limit, and sockets without an address are not counted', (t) => {
  const off = new ConnectRate(0, limit)
  const one = new ConnectRate(1, limit)
  for (let i = 0; i < 10_000; i++) {
    off.hit('a')
    one.hit('')
    one.hit(undefined)
  }
  t.pass('nothing is thrown')
  t.end()
})

t.test('upgrades from one IPv6 network are counted together', (t) => {
  const same = ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::']
  for (const [first, ...others] of [same, ['2001:db8::1', '2001:db8:0:0:1::'], ['::1', '::2'], ['192.0.2.1', '::ffff:192.0.2.1']]) {
    const rate = new ConnectRate(1, limit)
    rate.hit(first)
    for (const other of others) t.throws(() => rate.hit(other), over, `${first} and ${other}`)
  }
  const rate = new ConnectRate(1, limit)
  for (const address of ['2001:db8:1:2::1', '2001:db8:1:3::1', '2001:db8::1', '::ffff:192.0.2.1', '::ffff:192.0.2.2']) rate.hit(address)
  t.pass('and others are others')
  t.end()
})

t.test('the connect rate tracks a bounded number of addresses', (t) => {
  const rate = new ConnectRate(1, limit)
  for (let i = 0; i < 100_001; i++) rate.hit(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 0)
  rate.hit('10.0.0.0', 0)
  t.throws(() => rate.hit('10.1.0.0', 0), over, 'the oldest is forgotten, not the newer ones')
  t.end()
})
