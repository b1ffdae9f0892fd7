import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import t from 'tap'
import { version } from '../../lib/version.js'
import { startApp } from '../fixtures/app.js'
import { root } from '../fixtures/root.js'

const built = (await readFile(join(root, 'dist/client/script.js'), 'utf8')).replace(/\/\/# sourceMappingURL=.*\n$/, '')
const CACHE = 'public, max-age=3600, stale-while-revalidate=86400'

t.test('the client is served as one script, without a token, and its answer can be kept and checked again', async (t) => {
  const { app } = await startApp(t, { authorize: () => false })
  const first = await app.inject('/ws/client.js')
  t.equal(first.statusCode, 200)
  t.equal(first.body, built, 'the build, which names no source map that is not served')
  t.match(first.headers, {
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': CACHE,
    'x-content-type-options': 'nosniff',
    'content-length': String(Buffer.byteLength(built)),
    vary: 'accept-encoding',
    etag: /^"[^"]+"$/
  })
  t.notOk(first.headers['content-encoding'])
  t.notOk(first.headers['access-control-allow-origin'])
  const again = await app.inject({ url: '/ws/client.js', headers: { 'if-none-match': first.headers.etag as string } })
  t.equal(again.statusCode, 304)
  t.equal(again.body, '')
  t.match(again.headers, { etag: first.headers.etag, 'cache-control': CACHE, vary: 'accept-encoding' })
  t.equal((await app.inject({ url: '/ws/client.js', headers: { 'if-none-match': '"other"' } })).statusCode, 200)
})

t.test('HEAD has the headers of GET, also if the app has no HEAD routes', async (t) => {
  const { app } = await startApp(t, {}, { fastify: { exposeHeadRoutes: false } })
  const { headers: { date: _date, ...got } } = await app.inject({ url: '/ws/client.js', headers: { 'accept-encoding': 'gzip' } })
  const head = await app.inject({ method: 'HEAD', url: '/ws/client.js', headers: { 'accept-encoding': 'gzip' } })
  t.equal(head.statusCode, 200)
  t.equal(head.body, '')
  const { date: _other, ...headers } = head.headers
  t.strictSame(headers, got)
  t.equal((await app.inject({ method: 'HEAD', url: '/ws/client.js', headers: { 'accept-encoding': 'gzip', 'if-none-match': got.etag as string } })).statusCode, 304)
})

t.test('the script is compressed for those who accept that, each encoding with its own ETag', async (t) => {
  const { app } = await startApp(t)
  const [br, gzip] = await Promise.all(['gzip, br', 'gzip'].map((accepted) => app.inject({ url: '/ws/client.js', headers: { 'accept-encoding': accepted } })))
  t.equal(br!.headers['content-encoding'], 'br')
  t.equal(String(brotliDecompressSync(br!.rawPayload)), built)
  t.equal(gzip!.headers['content-encoding'], 'gzip')
  t.equal(String(gunzipSync(gzip!.rawPayload)), built)
  t.not(br!.headers.etag, gzip!.headers.etag)
  t.ok(br!.rawPayload.length < gzip!.rawPayload.length)
  const { statusCode } = await app.inject({ url: '/ws/client.js', headers: { 'accept-encoding': 'gzip', 'if-none-match': br!.headers.etag as string } })
  t.equal(statusCode, 200)
})

t.test('the URL with the version of the node is kept for ever, and that of another version is not', async (t) => {
  const { app } = await startApp(t)
  const cacheOf = async (query: string) => (await app.inject(`/ws/client.js${query}`)).headers['cache-control']
  t.equal(await cacheOf(`?v=${version}`), 'public, max-age=31536000, immutable')
  for (const query of ['?v=0.0.1', '?v=', '?w=1', `?v=${version}&v=${version}`]) t.equal(await cacheOf(query), CACHE, query)
})

t.test('the script is below the path, and away where clientScript is false', async (t) => {
  const elsewhere = await startApp(t, { path: '/live/now' })
  t.equal((await elsewhere.app.inject('/live/now/client.js')).statusCode, 200)
  t.equal((await elsewhere.app.inject('/ws/client.js')).statusCode, 404)
  const without = await startApp(t, { clientScript: false })
  t.equal((await without.app.inject('/ws/client.js')).statusCode, 404)
})

t.test('neither hooks nor serializers of the app change the script', async (t) => {
  const { app } = await startApp(t, {}, {
    before: (app) => {
      app.addHook('onRequest', async (_request, reply) => { reply.serializer((payload: unknown) => JSON.stringify({ replaced: payload })) })
      app.addHook('preSerialization', async (_request, _reply, payload) => ({ enveloped: payload }))
    }
  })
  const { body, headers } = await app.inject('/ws/client.js')
  t.equal(body, built)
  const again = await app.inject({ url: '/ws/client.js', headers: { 'if-none-match': headers.etag as string } })
  t.match(again, { statusCode: 304, body: '' })
})
