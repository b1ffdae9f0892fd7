import t from 'tap'
import { startApp, type AppOptions } from '../fixtures/app.js'
import { selfSigned } from '../fixtures/certificate.js'

t.test('the log warns once if a client may take forever to send a request', async (t) => {
  const warnings = async (fastify: AppOptions['fastify']) => {
    const { logs } = await startApp(t, {}, { fastify })
    return logs.filter(({ level, msg }) => level === 40 && /requestTimeout/.test(msg)).length
  }
  t.equal(await warnings({ requestTimeout: 0 }), 1, 'the default of Fastify')
  t.equal(await warnings({ requestTimeout: 30_000 }), 0)
  t.equal(await warnings({ http2: true }), 0, 'HTTP/2 has none')
  t.equal(await warnings({ http2: true, https: { ...selfSigned(), allowHTTP1: true } }), 0, 'nor does Fastify set it there')
})
