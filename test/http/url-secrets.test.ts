import type { FastifyReply } from 'fastify'
import { connect } from 'node:http2'
import t from 'tap'
import { withoutSecrets } from '../../lib/http/url-secrets.js'
import { startApp, type AppOptions } from '../fixtures/app.js'
import { RawClient } from '../fixtures/raw-client.js'
import { refusal } from '../fixtures/refusal.js'

const SECRET = 'tH1s-is-the-s3cret-value'

t.test('tickets and tokens are removed from a URL, and nothing else', (t) => {
  const cases: Array<[url: string, shown: string]> = [
    ['/ws', '/ws'],
    ['/ws?', '/ws?'],
    ['/ws?channel_id=a', '/ws?channel_id=a'],
    [`/ws?ticket=${SECRET}`, '/ws?ticket=hidden'],
    [`/ws?a=1&ticket=${SECRET}&b=2`, '/ws?a=1&ticket=hidden&b=2'],
    [`/ws?token=${SECRET};access_token=${SECRET}`, '/ws?token=hidden;access_token=hidden'],
    [`/ws?ticket=${SECRET}&ticket=${SECRET}`, '/ws?ticket=hidden&ticket=hidden'],
    [`/ws?t%69cket=${SECRET}&TICKET=${SECRET}`, '/ws?t%69cket=hidden&TICKET=hidden'],
    ['/ws?%E0%A4%A=1&my_token=3&ticket', '/ws?%E0%A4%A=1&my_token=3&ticket'],
    [`/ws#ticket=${SECRET}`, '/ws#ticket=hidden'],
    [`/ws?x=1#&ticket=${SECRET}`, '/ws?x=1#&ticket=hidden'],
    [`/ws?x=1#token=${SECRET}#token=${SECRET}`, '/ws?x=1#token=hidden#token=hidden'],
    [`/ws??ticket=${SECRET}`, '/ws??ticket=hidden'],
    [`/ws?ticket[]=${SECRET}&ticket%5B%5D=${SECRET}`, '/ws?ticket[]=hidden&ticket%5B%5D=hidden'],
    [`/ws?ticket+=${SECRET}&+ticket=${SECRET}&%20ticket=${SECRET}`, '/ws?ticket+=hidden&+ticket=hidden&%20ticket=hidden'],
    [`/ws?ticket =${SECRET}& ticket=${SECRET}`, '/ws?ticket =hidden& ticket=hidden'],
    [`/ws?%74icket%ff%zz=${SECRET}&tickets=${SECRET}`, '/ws?%74icket%ff%zz=hidden&tickets=hidden'],
    [`/ws?ticket=${SECRET}=${SECRET}`, '/ws?ticket=hidden']
  ]
  for (const [url, shown] of cases) t.equal(withoutSecrets(url), shown)
  t.end()
})

t.test('no log line contains a ticket from a URL, whatever the app logs of a request', async (t) => {
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

t.test('an app\'s own serializer does not see a ticket from a URL', async (t) => {
  const lines: string[] = []
  const server = await startApp(t, {}, {
    fastify: { logger: { stream: { write: (line: string) => { lines.push(line) } }, serializers: { req: (request) => ({ everything: request.url, own: true }) } } }
  })
  await refusal(server.dial('', { token: null, path: `/ws?ticket=${SECRET}` }))
  t.match(lines.join(''), /"everything":"\/ws\?ticket=hidden","own":true/)
  t.notMatch(lines.join(''), SECRET)
})

t.test('without a logger URLs with tickets work the same', async (t) => {
  const server = await startApp(t, {}, { fastify: { logger: false } })
  await server.connect('alice', { path: `/ws?token=${SECRET}` })
})

t.test('on and below the plugin\'s path no secret is logged, whatever the route, protocol and spelling, and the query stays intact', async (t) => {
  const urls = [
    '/ws/health', '/ws/', '/ws/nothing', '/ws/nothing/more', '/%77s/nothing', '//ws/x', '/ws/tasks/%E0%A4%A', '/ws', '/ws/own', '/WS/x'
  ].flatMap((url) => [`${url}?ticket=${SECRET}`, `${url}?a=1&t%6Fken=${SECRET}`, `${url}?ACCESS_TOKEN=${SECRET}`])
  const hosts: AppOptions[] = [
    {},
    { fastify: { requestIdHeader: 'X-Request-Id' } },
    { fastify: { http2: true } },
    { fastify: { rewriteUrl: (request) => request.url!.replace('/ws/nothing', '/ws/elsewhere') } },
    { before: (app) => { app.setGenReqId(() => 'mine') } },
    { before: (app) => { app.setNotFoundHandler((request, reply) => { request.log.info({ url: request.url, original: request.originalUrl }, 'not found'); reply.code(404).send({ mine: true }) }) } }
  ]
  for (const host of hosts) {
    const queries: unknown[] = []
    const server = await startApp(t, {}, { ...host, after: (app) => { app.get('/ws/own', ({ query, headers, id }) => { queries.push(query); return { id, header: headers['x-request-id'] ?? null } }) } })
    for (const url of urls) {
      await server.rest('GET', url, { headers: { 'x-request-id': 'theirs' } })
      if (host.fastify?.http2 !== true) await refusal(server.dial('', { token: null, path: url, socket: { headers: { 'x-request-id': 'theirs' } } }))
    }
    const logged = JSON.stringify(server.logs)
    t.match(logged, /=hidden/)
    t.notMatch(logged, SECRET)
    t.match(queries, [{ ticket: SECRET }, { a: '1', token: SECRET }, { ACCESS_TOKEN: SECRET }])
    const { body } = await server.rest('GET', `/ws/own?ticket=${SECRET}`, { headers: { 'x-request-id': 'theirs' } })
    t.equal(body.header, 'theirs')
    if (host.fastify?.requestIdHeader !== undefined) t.equal(body.id, 'theirs', 'the caller still names the request')
    if (host.before !== undefined && /setGenReqId/.test(String(host.before))) t.equal(body.id, 'mine')
  }
})

/** Forms that the router reads as a query of the socket's route, or cannot read. */
const forms = [
  `/ws#ticket=${SECRET}`, `/ws?x=1#&ticket=${SECRET}`, `/ws??ticket=${SECRET}`, `/ws?ticket[]=${SECRET}`, `/ws?ticket%5B%5D=${SECRET}`, `/ws?ticket+=${SECRET}`,
  `/ws/nothing#ticket=${SECRET}`, `/ws/%zz?ticket=${SECRET}`, `/%77s/%zz?ticket=${SECRET}`, `/ws/users/x%zz/messages?token=${SECRET}`,
  `/ws/users/x%zz/messages#token=${SECRET}`, `/ws/users/${'x'.repeat(600)}/messages?token=${SECRET}`, `http://x/ws/%zz?ticket=${SECRET}`
]

t.test('neither the log nor a response contains a secret, however it is spelled', async (t) => {
  const hosts: AppOptions[] = [
    {},
    { fastify: { http2: true } },
    { fastify: { routerOptions: { useSemicolonDelimiter: true } } as object },
    { fastify: { requestIdHeader: 'x-request-id' } },
    { fastify: { frameworkErrors: (error, request, reply) => { request.log.info({ url: request.url }, 'bad'); (reply as FastifyReply).code(400).send({ message: error.message }) } } }
  ]
  for (const host of hosts) {
    const server = await startApp(t, {}, host)
    if (host.fastify?.http2 === true) {
      const session = connect(server.origin)
      t.teardown(() => session.destroy())
      for (const url of forms) {
        const stream = session.request({ ':path': url })
        // Some are refused by the protocol.
        t.notMatch(Buffer.concat(await stream.toArray().catch(() => [])).toString(), SECRET)
      }
    } else {
      for (const url of forms) {
        for (const isUpgrade of [true, false]) {
          const client = await RawClient.to(t, server)
          if (isUpgrade) client.upgrade(url)
          else client.socket.write(`GET ${url} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
          const { status, head } = await client.response()
          t.ok(status >= 400 && status < 500, `${url}: ${status}`)
          t.notMatch(head + JSON.stringify(await client.body()), SECRET)
        }
      }
    }
    const logged = JSON.stringify(server.logs)
    t.match(logged, /=hidden/)
    t.notMatch(logged, SECRET)
  }
})

t.test('a ticket behind a # opens the socket, and is not logged', async (t) => {
  const server = await startApp(t)
  const { body: { ticket } } = await server.rest('POST', '/ws/tickets', { as: 'alice' })
  const client = await RawClient.to(t, server)
  client.upgrade(`/ws#ticket=${ticket}`)
  t.equal((await client.response()).status, 101)
  t.match(JSON.stringify(server.logs), /#ticket=hidden/)
  t.notMatch(JSON.stringify(server.logs), ticket)
  client.reset()
})

t.test('URLs of the app\'s other routes are not changed', async (t) => {
  const server = await startApp(t, {}, { after: (app) => { app.get('/own', ({ url }) => ({ url })) } })
  for (const url of [`/own?token=${SECRET}`, `/own?next=/ws&token=${SECRET}`]) t.same((await server.rest('GET', url)).body, { url })
})
