import { Type } from '@sinclair/typebox'
import type { FastifyServerOptions } from 'fastify'
import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { selfSigned } from '../fixtures/certificate.js'

t.test('a client that does not read is cut over TLS, and the signal of its handlers is aborted', async (t) => {
  const https = selfSigned()
  let signal: AbortSignal | undefined
  const server = await startApp(t, { limits: { maxQueueBytes: 100_000 } }, {
    fastify: { https } as FastifyServerOptions,
    after: (app) => app.ws.handle('work.begin', { schema: Type.Object({}) }, (_message, context) => { signal = context.signal })
  })
  const gone: number[] = []
  server.app.ws.on('client_disconnected', ({ code }) => { gone.push(code) })
  const socket = { ca: https.cert, servername: 'localhost' }
  const client = await server.connect('sleeper', { socket })
  await client.request({ type: 'work.begin' })
  t.equal(signal?.aborted, false)
  client.socket.pause()
  const padding = 'x'.repeat(10_000)
  for (let number = 0; gone.length === 0 && number < 20_000; number++) {
    await server.app.ws.broadcast({ type: 'test.numbered', number, padding })
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.same(gone, [1013])
  t.equal(signal?.aborted, true)
  t.match(server.app.ws.getStatus(), { active_connections: 0, users: 0, slow_disconnects: 1 })
  client.socket.terminate()
})
