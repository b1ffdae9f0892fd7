import fastifyCookie from '@fastify/cookie'
import { Type } from '@sinclair/typebox'
import type { InjectOptions } from 'fastify'
import t from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { amount, figure } from '../fixtures/attacks.js'
import { forge } from '../fixtures/tokens.js'

/** One attempt of so many: in turn each credential with each origin, on every route. */
const EVERY = amount({ short: 3, long: 1 })
const HOST = 'app.example'
const PARTNER = 'https://partner.example'
const token = forge({ sub: 'admin', roles: ['ws:admin'] })
const admin = { id: 'admin', claims: { roles: ['ws:admin'] } }

/** What a browser may send along, or a page may add; whether it is by itself, by JWT and by the app's own rule. */
const credentials: [name: string, headers: Record<string, string>, query: string, byJwt: boolean, byHook: boolean][] = [
  ['a cookie', { cookie: `session=${token}` }, '', true, true],
  ['a cookie and a made-up ticket', { cookie: `session=${token}` }, '?ticket=x', true, true],
  ['a cookie and what looks like a token', { cookie: `session=${token}`, 'sec-websocket-protocol': 'not-bearer.x' }, '', true, true],
  ['a cookie and a token', { cookie: `session=${token}`, authorization: `Bearer ${token}` }, '', false, true],
  ['a token', { authorization: `Bearer ${token}` }, '', false, false],
  ['Basic credentials', { authorization: 'Basic YWRtaW46YWRtaW4=' }, '', false, true],
  ['a cookie and Basic credentials', { cookie: `session=${token}`, authorization: 'Basic YWRtaW46YWRtaW4=' }, '', false, true]
]

const bodies: Record<string, object> = {
  '/ws/confirmations/:callback_id': { proceed: true }, '/ws/revocations': { user_id: 'nobody' }, '/ws/call/app.act': {}
}

/** How an app may know its users, and what a list of origins has to do with it. */
const setUps: [name: string, options: WsPluginOptions][] = [
  ['JWT and a cookie', { auth: { cookie: 'session' } }],
  ['JWT and a cookie, with a list', { auth: { cookie: 'session' }, origins: [PARTNER, `http://${HOST}`] }],
  ['the app\'s own rule', { jwt: undefined, authenticate: ({ headers }) => headers.cookie === undefined && headers.authorization === undefined ? null : admin }]
]

t.test('no page of another origin changes anything, whatever credential it makes the browser send', async (t) => {
  let forged = 0
  let tried = 0
  let attempts = 0
  for (const [name, options] of setUps) {
    const routes: { method: string, url: string }[] = []
    const { app } = await startApp(t, options, {
      fastify: { logger: false },
      before: async (app) => {
        app.addHook('onRoute', ({ method, url }) => {
          for (const each of [method].flat()) if (url.startsWith('/ws') && !['GET', 'HEAD', 'OPTIONS'].includes(each)) routes.push({ method: each, url })
        })
        if (options.authenticate === undefined) await app.register(fastifyCookie)
        else app.decorate('jwt', {} as never)
      },
      after: ({ ws }) => ws.handle('app.act', { schema: Type.Object({}), rest: true }, () => 'done')
    })
    t.ok(routes.length >= 10, `${routes.length} routes change something`)
    const byHook = options.authenticate !== undefined
    const origins: [origin: string | undefined, isAllowed: boolean | null][] = [
      [undefined, null], [`http://${HOST}`, true], [PARTNER, options.origins !== undefined],
      ['https://evil.example', false], ['null', false], [`https://${HOST}.evil.example`, false], ['', false]
    ]
    for (const { method, url } of routes) {
      for (const [what, headers, query, isAmbientByJwt, isAmbientByHook] of credentials) {
        for (const [origin, isAllowed] of origins) {
          if (attempts++ % EVERY !== 0) continue
          const { statusCode, body } = await app.inject({
            method: method as InjectOptions['method'],
            url: url.replace(/:\w+/, 'x') + query,
            headers: { host: HOST, ...headers, ...(origin !== undefined && { origin }) },
            ...(method === 'POST' && { payload: bodies[url] ?? { message: { type: 'app.news' } } })
          })
          const mayPass = isAllowed ?? !(byHook ? isAmbientByHook : isAmbientByJwt)
          tried++
          if (!mayPass && statusCode !== 403) forged++
          const isRight = mayPass ? statusCode !== 403 && statusCode < 500 : statusCode === 403
          if (!isRight) t.fail(`${name}: ${method} ${url} with ${what} from ${origin}: ${statusCode} ${body}`)
        }
      }
    }
    t.ok(app.ws.getStatus().rejected.origin > 0, 'counted')
  }
  t.equal(forged, 0)
  figure(t, 'forgery', `${tried} requests that change something, in ${setUps.length} set-ups, with ${credentials.length} kinds of credentials: ${forged} forged ones accepted`)
})
