import t from 'tap'
import { withoutSecrets } from '../../lib/http/url-secrets.js'
import { startApp, type AppOptions } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'

const SECRET = 'tH1s-is-the-s3cret-value'

t.test('what opens something is taken out of a URL, and nothing else', (t) => {
  const cases: Array<[url: string, shown: string]> = [
    ['/ws', '/ws'],
    ['/ws?', '/ws?'],
    ['/ws?channel_id=a', '/ws?channel_id=a'],
    [`/ws?ticket=${SECRET}`, '/ws?ticket=hidden'],
    [`/ws?a=1&ticket=${SECRET}&b=2`, '/ws?a=1&ticket=hidden&b=2'],
    [`/ws?token=${SECRET};access_token=${SECRET}`, '/ws?token=hidden;access_token=hidden'],
    [`/ws?ticket=${SECRET}&ticket=${SECRET}`, '/ws?ticket=hidden&ticket=hidden'],
    [`/ws?t%69cket=${SECRET}&TICKET=${SECRET}`, '/ws?t%69cket=hidden&TICKET=hidden'],
    ['/ws?%E0%A4%A=1&tickets=2&my_token=3&ticket', '/ws?%E0%A4%A=1&tickets=2&my_token=3&ticket'],
    [`/ws?ticket=${SECRET}=${SECRET}`, '/ws?ticket=hidden']
  ]
  for (const [url, shown] of cases) t.equal(withoutSecrets(url), shown)
  t.end()
})

t.test('a ticket in a URL is in no line of the log, whatever the app logs of a request', async (t) => {
  const hosts: AppOptions[] = [
    {},
    { fastify: { rewriteUrl: (request) => request.url!.replace('/old', '/ws') } },
    { before: (app) => { app.addHook('onRequest', async (request) => { request.log.info({ url: request.url, original: request.originalUrl, raw: request.raw.url }, 'seen') }) } },
    { before: (app) => { app.setChildLoggerFactory((logger, bindings, options) => logger.child({ ...bindings, mine: true }, options)) } }
  ]
  for (const host of hosts) {
    const server = await startApp(t, { auth: { anonymous: true } }, { ...host, after: (app) => app.ws.endpoint('/desk', { channels: [], authorize: () => true }) })
    const { body: { ticket } } = await server.rest('POST', '/ws/tickets', { as: 'alice' })
    const path = host.fastify === undefined ? '/ws' : '/old'
    const client = await server.connect('', { token: null, path: `${path}?ticket=${ticket}` })
    t.equal(client.received[0]!.data.user_id, 'alice', 'it is still read')
    await refusal(server.dial('', { token: null, path: `/desk?ticket=${SECRET}` }))
    await refusal(server.dial('', { token: null, path: `/ws?t%69cket=${SECRET}` }))
    await server.connect('', { token: null, path: `/ws?token=${SECRET}` })
    t.equal((await server.rest('GET', `/ws?ticket=${SECRET}`)).status, 426)
    const logged = JSON.stringify(server.logs)
    t.match(logged, /ticket=hidden/)
    t.notMatch(logged, ticket)
    t.notMatch(logged, SECRET)
    if (host.before !== undefined && /setChild/.test(String(host.before))) t.ok(server.logs.some(({ mine, req }) => mine === true && req !== undefined), 'the app\'s own factory is asked')
  }
})

t.test('an app\'s own serializer sees it no more', async (t) => {
  const lines: string[] = []
  const server = await startApp(t, {}, {
    fastify: { logger: { stream: { write: (line: string) => { lines.push(line) } }, serializers: { req: (request) => ({ everything: request.url, own: true }) } } }
  })
  await refusal(server.dial('', { token: null, path: `/ws?ticket=${SECRET}` }))
  t.match(lines.join(''), /"everything":"\/ws\?ticket=hidden","own":true/)
  t.notMatch(lines.join(''), SECRET)
})

t.test('without a logger all is the same', async (t) => {
  const server = await startApp(t, {}, { fastify: { logger: false } })
  await server.connect('alice', { path: `/ws?token=${SECRET}` })
})
