import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { startApp } from '../fixtures/app.js'
import { pageClient, withoutDelays } from '../fixtures/page-client.js'
import { TcpProxy } from '../fixtures/tcp-proxy.js'
import { until } from '../fixtures/until.js'

withoutDelays(t)

/** A server behind a proxy, whose handler `app.pay` never ends; it keeps who called it. */
async function start (t: Test) {
  const callers: Array<string | null> = []
  const server = await startApp(t, { auth: { anonymous: true } }, {
    after: ({ ws }) => ws.handle('app.pay', { schema: Type.Object({}) }, (_message, { user, signal }) => {
      callers.push((user as { id: string } | null)?.id ?? null)
      return new Promise((_resolve, reject) => { signal.addEventListener('abort', () => reject(signal.reason)) })
    })
  })
  const proxy = await TcpProxy.start(t, Number(new URL(server.origin).port))
  return { callers, proxy, behind: { origin: `http://127.0.0.1:${proxy.port}`, token: server.token.bind(server) } }
}

t.test('a call whose outcome the server does not know may have taken effect', async (t) => {
  const { callers, proxy, behind } = await start(t)
  const { client } = pageClient(t, behind, 'alice')
  await client.ready()
  const paid = client.call('app.pay')
  await until(() => callers.length === 1)
  proxy.cut()
  await t.rejects(paid, { code: 'outcome_unknown', delivery: 'unknown' })
  t.same(callers, ['alice'])
})

t.test('a call of an anonymous client is not repeated: the server ignores its key', async (t) => {
  const { callers, proxy, behind } = await start(t)
  const { client } = pageClient(t, behind, '', { getToken: undefined as never })
  await client.ready()
  const paid = client.call('app.pay')
  await until(() => callers.length === 1)
  proxy.cut()
  await t.rejects(paid, { code: 'disconnected', delivery: 'unknown' })
  await client.ready()
  t.same(callers, [null])
})

t.test('a call of one user is not repeated as another', async (t) => {
  const { callers, proxy, behind } = await start(t)
  let user = 'alice'
  const { client } = pageClient(t, behind, '', { getToken: () => behind.token(user) })
  await client.ready()
  const paid = client.call('app.pay')
  await until(() => callers.length === 1)
  user = 'bob'
  proxy.cut()
  await t.rejects(paid, { code: 'identity_changed', delivery: 'unknown' })
  t.equal(client.me?.userId, 'bob')
  t.same(callers, ['alice'])
})
