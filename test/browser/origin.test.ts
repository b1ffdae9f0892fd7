import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fastifyCookie from '@fastify/cookie'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { openPage, startBrowser } from '../fixtures/browser.js'

const browser = await startBrowser(t)

/** A page of somebody else, on another port of the same host: another origin, to which a browser sends the same cookies. */
async function startForeign (t: Test): Promise<string> {
  const app = Fastify()
  app.get('/', (_request, reply) => reply.type('text/html').send('<!doctype html><title>Another site</title>'))
  app.get('/sandboxed', (_request, reply) => reply.header('content-security-policy', 'sandbox allow-scripts').type('text/html').send('<!doctype html><title>Of no origin</title>'))
  t.teardown(() => app.close())
  return app.listen({ port: 0, host: '127.0.0.1' })
}

/** An app that signs in by cookie. */
const startWithCookies = (t: Test, options: WsPluginOptions = {}): Promise<TestApp> => startApp(t, { auth: { cookie: 'session' }, ...options }, {
  before: async (app) => { await app.register(fastifyCookie) },
  after: (app) => {
    app.get('/sign-in', (_request, reply) => reply.setCookie('session', app.jwt.sign({ sub: 'alice' }, { expiresIn: '1h' }), { path: '/', httpOnly: true, sameSite: 'lax' })
      .type('text/html').send('<!doctype html><title>Signed in</title>'))
  }
})

/** Opens a socket from a page: its first frame, or "refused". In the page's own words, since tests run in Node. */
const connect = (url: string, protocols: string[] = []) => `new Promise((resolve) => {
  const socket = new WebSocket(${JSON.stringify(url)}, ${JSON.stringify(protocols)})
  socket.onmessage = ({ data }) => resolve(JSON.parse(data).data.user_id)
  socket.onerror = () => resolve('refused')
})`

t.test('a visitor\'s cookie authenticates the app\'s own page, and no page of another origin', async (t) => {
  const server = await startWithCookies(t)
  const foreign = await startForeign(t)
  const url = `${server.origin.replace('http', 'ws')}/ws`
  const page = await openPage(t, browser, `${server.origin}/sign-in`)
  t.equal(await page.evaluate(connect(url)), 'alice')
  t.equal(await page.evaluate('fetch("/ws/tickets", { method: "POST" }).then(({ status }) => status)'), 200)
  await page.goto(foreign)
  t.equal(await page.evaluate(connect(url)), 'refused')
  t.equal(await page.evaluate(`fetch('${server.origin}/ws/tickets', { method: 'POST', mode: 'no-cors', credentials: 'include' }).then(({ type }) => type)`), 'opaque')
  t.equal(server.app.ws.getStatus().rejected.origin, 2, 'both came, and were refused for their origin')
  await page.goto(`${foreign}/sandboxed`)
  t.equal(await page.evaluate(connect(url)), 'refused', 'nor can a page whose origin is null')
  t.equal(server.app.ws.getStatus().rejected.origin, 3)
})

t.test('a page from a file cannot connect, even if origins lists file://', async (t) => {
  const server = await startApp(t, { origins: ['file://'] })
  const file = join(t.testdir({ 'page.html': '<!doctype html><title>From a file</title>' }), 'page.html')
  const page = await openPage(t, browser, pathToFileURL(file).href)
  t.equal(await page.evaluate(connect(`${server.origin.replace('http', 'ws')}/ws`, [`bearer.${server.token('bob')}`, 'ws-manager.v1'])), 'refused')
  t.equal(server.app.ws.getStatus().rejected.origin, 1)
})

t.test('a page of another origin can connect only to an app that lists it in origins', async (t) => {
  const foreign = await startForeign(t)
  const [listing, closed] = [await startWithCookies(t, { origins: [foreign] }), await startApp(t)]
  const page = await openPage(t, browser, foreign)
  const bearer = (server: TestApp) => [`bearer.${server.token('bob')}`, 'ws-manager.v1']
  t.equal(await page.evaluate(connect(`${listing.origin.replace('http', 'ws')}/ws`, bearer(listing))), 'bob')
  t.equal(await page.evaluate(connect(`${closed.origin.replace('http', 'ws')}/ws`, bearer(closed))), 'refused', 'not with a token of the user either')
  await page.goto(`${listing.origin}/ws/health`)
  t.equal(await page.evaluate(connect(`${listing.origin.replace('http', 'ws')}/ws`, bearer(listing))), 'refused', 'the own origin is not listed')
})
