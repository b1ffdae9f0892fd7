import { Type } from '@sinclair/typebox'
import t from 'tap'
import { protocol, startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'

t.test('handlers that never end do not delay the close: REST calls get 503, and the log says so', async (t) => {
  const gate = new Gate()
  const signals: AbortSignal[] = []
  const server = await startApp(t, { closeTimeoutMs: 50 }, {
    after: (app) => {
      app.ws.handle('never.ends', { schema: Type.Object({}), rest: true }, async (_message, { signal }) => {
        signals.push(signal)
        await gate.wait()
      })
    }
  })
  const client = await server.connect('alice')
  client.send({ type: 'never.ends', id: '1' })
  const called = server.rest('POST', '/ws/call/never.ends', { as: 'alice', body: {} })
  await gate.reached
  while (signals.length < 2) await new Promise(setImmediate)
  await server.app.close()
  t.match(await called, { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE', message: 'The server is closing' } })
  t.equal((await client.closed).code, 1001)
  t.ok(signals.every(({ aborted }) => aborted))
  t.ok(server.logs.some(({ msg }) => msg === 'gave up on a request: its handler did not finish in time'))
  gate.open()
})

t.test('over HTTP/2, handlers that never end do not delay the close', async (t) => {
  protocol.http = 2
  t.teardown(() => { protocol.http = 1 })
  const gate = new Gate()
  const server = await startApp(t, { closeTimeoutMs: 50 }, {
    after: (app) => { app.ws.handle('never.ends', { schema: Type.Object({}), rest: true }, () => gate.wait()) }
  })
  const called = server.rest('POST', '/ws/call/never.ends', { as: 'alice', body: {} })
  await gate.reached
  await server.app.close()
  t.match(await called, { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
  gate.open()
})
