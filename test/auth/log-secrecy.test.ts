import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { SECRET, startApp } from '../fixtures/app.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'
import { refusal } from '../fixtures/refusal.js'
import { badTokens, forge } from '../fixtures/tokens.js'

/** Everything that can be done with a token, good or bad; resolves to the tokens that were used. */
async function useTokens (t: Parameters<typeof startApp>[0], options: WsPluginOptions) {
  let isDown = false
  const secret = async () => {
    if (isDown) throw new Error('the key server is down')
    return SECRET
  }
  const server = await startApp(t, { jwt: { secret }, limits: { maxErrorsPerMinute: 1000 }, authorizeSubscribe: (_user, channel) => { if (channel === 'broken') throw new Error('broken'); return channel === 'news' }, ...options }, {
    before: (app) => { app.log.level = 'trace' },
    after: (app) => app.ws.handle('test.fail', { schema: Type.Object({}) }, () => { throw new Error('a handler failed') })
  })
  const good = { alice: forge({ sub: 'alice', nonce: 1 }), bob: forge({ sub: 'bob', nonce: 2 }) }
  const tokens = [...Object.values(good), ...Object.values(badTokens()).filter((token) => token.length > 10)]

  const client = await server.connect('alice', { token: good.alice })
  for (const token of tokens) {
    await server.dial('x', { token }).opened().catch(() => {})
    await server.dial('x', { token: null, socket: { headers: { authorization: `Bearer ${token}` } } }).opened().catch(() => {})
    await server.dial('x', { token: null, socket: { headers: { authorization: token } } }).opened().catch(() => {})
    await server.dial('x', { token, protocols: [`bearer.${good.bob}x`] }).opened().catch(() => {})
    await server.rest('GET', '/ws/status', { as: null, headers: { authorization: `Bearer ${token}` } })
    await client.request({ type: 'auth', token })
    await client.request({ type: 'change_user', token: `Bearer ${token}`, unknown: token })
    await client.request({ type: 'auth', token: { token } })
  }
  for (const path of ['/ws?channel_id=broken', '/ws?channel_id=', '/ws?channel_id=secret']) await server.dial('x', { token: good.alice, path }).opened().catch(() => {})
  await client.request({ type: 'test.fail' })
  client.socket.send(`{"type":"auth","token":"${good.bob}"`)
  await client.settled()

  isDown = true
  await server.dial('x', { token: good.alice }).opened().catch(() => {})
  await client.request({ type: 'auth', token: good.bob })
  await server.rest('GET', '/ws/status', { as: null, headers: { authorization: `Bearer ${good.alice}` } })

  const raw = await RawClient.to(t, server)
  raw.upgrade('/ws', { authorization: `Bearer ${good.alice}` }, maskedFrame(opcodes.text, `{"type":"auth","token":"${good.bob}"}`))
  raw.reset()
  await raw.ended
  await server.app.close()
  return { server, client, tokens }
}

t.test('no log line and no message to a client contains a token or a secret', async (t) => {
  for (const options of [{}, { rejectMode: 'close' }, { auth: { firstFrame: true, anonymous: false } }] satisfies WsPluginOptions[]) {
    const { server, client, tokens } = await useTokens(t, options)
    t.ok(server.logs.length > 100, 'the log says much')
    t.ok(server.logs.some(({ level }) => level >= 50), 'also of failures')
    for (const said of [JSON.stringify(server.logs), JSON.stringify(client.received)]) {
      const found = tokens.flatMap((token) => [token, ...token.split('.').slice(1).filter((part) => part.length > 10)]).filter((secret) => said.includes(secret))
      t.same(found, [])
      t.notOk(said.includes(SECRET))
    }
  }
})

t.test('the response to a refused upgrade contains no token and no secret', async (t) => {
  const server = await startApp(t)
  for (const [fault, token] of Object.entries(badTokens())) {
    const answer = await refusal(server.dial('x', { token }))
    if (token.length > 10) t.notOk(JSON.stringify(answer).includes(token), fault)
  }
})
