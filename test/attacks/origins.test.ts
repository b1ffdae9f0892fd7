import fastifyCookie from '@fastify/cookie'
import t from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp, type AppOptions } from '../fixtures/app.js'
import { figure } from '../fixtures/attacks.js'
import { RawClient } from '../fixtures/raw-client.js'

const HOST = 'app.example'
const withCookies: AppOptions = { before: async (app) => { await app.register(fastifyCookie) } }

/** How an app may be set up, and the origin that is its own. */
const setUps: Record<string, { options: WsPluginOptions, own: string }> = {
  'the same origin': { options: {}, own: `http://${HOST}` },
  'a list': { options: { origins: [`https://${HOST}`, 'https://admin.example:8443'] }, own: `https://${HOST}` },
  'a list, and cookies': { options: { origins: [`https://${HOST}`], auth: { cookie: 'session' } }, own: `https://${HOST}` },
  'the same origin, behind a proxy': { options: {}, own: `https://${HOST}` }
}

/** What looks like an origin, to somebody. */
function likenesses (own: string): string[] {
  const [scheme, host] = own.split('://') as [string, string]
  const hosts = [
    'evil.example', `${host}.evil.example`, `evil${host}`, `evil-${host}`, `sub.${host}`, `${host}.`, `.${host}`, `${host}:1`, `${host}:99999`, `${host}:`,
    `${host}/`, `${host}/path`, `${host}?`, `${host}#`, `${host}\\`, `${host}@evil.example`, `evil.example@${host}`, `evil.example/${host}`, `evil.example#${host}`,
    `evil.example?${host}`, `evil.example\\${host}`, `user:pass@${host}`, host.toUpperCase(), host.replace('.', '%2e'), host.replace('a', '\u00e0'), `${host}%00.evil.example`,
    `xn--${host}`, '127.0.0.1', '[::1]', 'localhost', '', '*', 'null', `${host},https://evil.example`, `${host} https://evil.example`, host.split('').reverse().join('')
  ]
  const schemes = [scheme, scheme.toUpperCase(), scheme === 'https' ? 'ftp' : 'ws', 'file', 'javascript', 'data', 'blob:https', 'view-source:https', 'chrome-extension', '']
  return [...new Set([
    'null', 'NULL', 'undefined', '', ' ', '*', host, `//${host}`, `${scheme}:${host}`, `${scheme}:/${host}`, `${scheme}:///${host}`, `${scheme}://`, `${scheme}://[`,
    ...hosts.flatMap((name) => schemes.map((protocol) => `${protocol}://${name}`)), `${own}\t`, `${own}${'x'.repeat(8_000)}`
  ])].filter((origin) => origin.trim() !== own && origin !== `${own},`)
}

t.test('no page of another origin opens a socket, even with a valid token or cookie', async (t) => {
  let tried = 0
  let opened = 0
  for (const [name, { options, own }] of Object.entries(setUps)) {
    const server = await startApp(t, options, { ...options.auth?.cookie === undefined ? {} : withCookies, fastify: { logger: false, trustProxy: name.includes('proxy') } })
    const token = server.token('alice')
    const credentials: Record<string, string> = options.auth?.cookie === undefined ? { authorization: `Bearer ${token}` } : { cookie: `session=${token}` }
    const host: Record<string, string> = name.includes('proxy') ? { 'x-forwarded-host': HOST, 'x-forwarded-proto': 'https' } : { host: HOST }
    const status = async (origin: string) => {
      const client = await RawClient.to(t, server)
      // One that ends the connection without an answer has not opened anything.
      client.upgrade('/ws', { ...credentials, ...host, origin })
      const answer = await client.response().then(({ status }) => status, () => 0)
      client.reset()
      return answer
    }
    t.equal(await status(own), 101, `${name}: ${own} is its own`)
    for (const origin of likenesses(own)) {
      tried++
      const answer = await status(origin)
      if (answer === 101) opened++
      t.not(answer, 101, `${name}: ${JSON.stringify(origin.slice(0, 60))} is answered ${answer}`)
    }
    t.equal(await status(own), 101, `${name}: and its own is still`)
  }
  figure(t, 'origins', `${tried} origins in ${Object.keys(setUps).length} set-ups: ${opened} opened`)
})
