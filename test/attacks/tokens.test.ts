import { createHmac, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { SECRET, inAnHour, startApp, type TestApp } from '../fixtures/app.js'
import { amount, figure } from '../fixtures/attacks.js'
import { RawClient } from '../fixtures/raw-client.js'
import { badTokens, forge, inexactTokens } from '../fixtures/tokens.js'

const REPEATS = amount({ short: 10, long: 1_000 })
/** An upgrade is a connection of its own. */
const UPGRADES = amount({ short: 2, long: 50 })

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const { publicKey, privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
})
const rules = { allowedIss: 'https://issuer.example', allowedAud: 'my-api', requiredClaims: ['iss', 'aud'] }
const right = { sub: 'alice', iss: 'https://issuer.example', aud: 'my-api' }

/** Each way to set up keys, with what a good token is and how a bad one can look like it. */
const setUps: Record<string, { jwt: WsPluginOptions['jwt'], good: () => string, bad: Record<string, string> }> = {
  secret: {
    jwt: { secret: SECRET, verify: { algorithms: ['HS256'], ...rules } },
    good: () => forge(right),
    bad: {
      ...badTokens(),
      ...inexactTokens(right),
      ...Object.fromEntries(['none', 'None', 'NONE', 'nOnE', '', 'HS384', 'HS512', 'RS256', 'ES256'].flatMap((alg) => [
        [`of algorithm "${alg}", signed`, forge(right, { header: { alg, typ: 'JWT' } })],
        [`of algorithm "${alg}", not signed`, forge(right, { header: { alg, typ: 'JWT' }, secret: null })]
      ])),
      'without an algorithm': forge(right, { header: { typ: 'JWT' } }),
      'signed with an empty key': forge(right, { secret: '' }),
      'of another issuer': forge({ ...right, iss: 'https://evil.example' }),
      'without an issuer': forge({ ...right, iss: undefined }),
      'for another audience': forge({ ...right, aud: 'other-api' }),
      'for no audience': forge({ ...right, aud: undefined }),
      'that must be understood': forge(right, { header: { alg: 'HS256', typ: 'JWT', crit: ['unknown'], unknown: true } }),
      'not valid yet': forge({ ...right, nbf: inAnHour() }),
      expired: forge({ ...right, exp: 1 }),
      'whose parts are spaced': forge(right).replaceAll('.', ' . '),
      'with a space in front': ` ${forge(right)}x`,
      'with a line in it': forge(right).replace('.', '.%0a'),
      'in four parts': `${forge(right)}.x`,
      'cut short': forge(right).slice(0, -2),
      'with padding': `${forge(right)}==`
    }
  },
  'a public key': {
    jwt: { secret: { public: publicKey, private: privateKey }, verify: { algorithms: ['RS256'], ...rules } },
    good: () => '',
    bad: {
      'signed by HMAC with the public key': forge(right, { secret: publicKey }),
      'signed by HMAC with the public key in one line': forge(right, { secret: publicKey.replaceAll('\n', '') }),
      'of HMAC under the name of RSA': `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode({ ...right, exp: inAnHour() })}.${createHmac('sha256', publicKey).update('x').digest('base64url')}`,
      'of no algorithm': forge(right, { header: { alg: 'none', typ: 'JWT' }, secret: null })
    }
  },
  'keys by name': {
    jwt: {
      secret: (async (_request: unknown, { header }: { header: { kid?: unknown } }) => header.kid === 'known' ? SECRET : null) as never,
      decode: { complete: true },
      verify: { algorithms: ['HS256'], ...rules }
    },
    good: () => forge(right, { header: { alg: 'HS256', kid: 'known' } }),
    bad: {
      'of an unknown key': forge(right, { header: { alg: 'HS256', kid: 'unknown' } }),
      'of a key without a name': forge(right),
      'of a key whose name is a path': forge(right, { header: { alg: 'HS256', kid: '../../dev/null' }, secret: '' }),
      'of a key whose name is no text': forge(right, { header: { alg: 'HS256', kid: { known: 1 } } }),
      'of a key whose name is a prototype\'s': forge(right, { header: { alg: 'HS256', kid: '__proto__' } })
    }
  }
}

async function upgradeStatus (server: TestApp, connect: () => Promise<RawClient>, headers: Record<string, string>): Promise<number> {
  const client = await connect()
  client.upgrade('/ws', { host: new URL(server.origin).host, ...headers })
  const { status } = await client.response()
  client.reset()
  return status
}

t.test('no bad token opens anything, however often and wherever it is sent', { timeout: 1_200_000 }, async (t) => {
  let tried = 0
  let accepted = 0
  let kinds = 0
  for (const [name, { jwt, good, bad }] of Object.entries(setUps)) {
    const server = await startApp(t, { jwt, auth: { firstFrame: true, timeoutMs: 600_000 }, limits: { maxErrorsPerMinute: 10_000_000, maxUnauthenticated: 10_000 } }, { fastify: { logger: false } })
    const valid = good() === '' ? server.app.jwt.sign({ ...right, exp: inAnHour() }) : good()
    const socket = await server.dial('', { token: null }).opened()
    const verdict = async (token: string) => [
      await server.app.inject({ method: 'POST', url: '/ws/tickets', headers: { authorization: `Bearer ${token}` } }).then(({ statusCode }) => statusCode),
      (await socket.request({ type: 'auth', token })).code ?? 'accepted'
    ]
    t.same((await server.app.inject({ method: 'POST', url: '/ws/tickets', headers: { authorization: `Bearer ${valid}` } })).statusCode, 200, `${name}: a good one is accepted`)
    for (const [fault, token] of Object.entries(bad)) {
      kinds++
      const verdicts = new Set<string>()
      for (let i = 0; i < REPEATS; i++) {
        const got = await verdict(token)
        tried += got.length
        accepted += got.filter((answer) => answer === 200 || answer === 'accepted').length
        verdicts.add(got.join())
      }
      t.same([...verdicts], ['401,unauthorized'], `${name}: a token ${fault}`)
      // What is no token by its letters cannot be written in a header, or is two.
      if (!/^[\w.=-]+$/.test(token)) continue
      const statuses = new Set<number>()
      for (let i = 0; i < UPGRADES; i++) {
        for (const headers of [{ authorization: `Bearer ${token}` }, { 'sec-websocket-protocol': `ws-manager.v1, bearer.${token}` }] as Record<string, string>[]) {
          const status = await upgradeStatus(server, () => RawClient.to(t, server), headers)
          tried++
          if (status === 101) accepted++
          statuses.add(status)
        }
      }
      // A subprotocol's name holds no "=": that request is malformed.
      t.ok(!statuses.has(101) && [...statuses].every((status) => status === 401 || (token.includes('=') && status === 400)), `${name}: an upgrade with a token ${fault}: ${[...statuses]}`)
    }
    const twice: Record<string, string>[] = [
      { authorization: `Bearer ${valid}`, 'sec-websocket-protocol': 'bearer.other' },
      { 'sec-websocket-protocol': `bearer.${valid}, bearer.other` },
      { authorization: `Bearer ${valid}, Bearer ${valid}` },
      { authorization: `Bearer ${valid} ${valid}` },
      { authorization: 'Bearer' }, { authorization: 'Bearer ' }, { authorization: `bearer${valid}` }, { authorization: `Basic ${valid}` }, { authorization: valid }
    ]
    for (const headers of twice) {
      tried++
      const status = await upgradeStatus(server, () => RawClient.to(t, server), headers)
      if (status === 101) accepted++
      t.equal(status, 401, `${name}: ${Object.entries(headers).map(([field, value]) => `${field}: ${value.replaceAll(valid, '<good>')}`).join(', ')}`)
    }
    t.equal(await upgradeStatus(server, () => RawClient.to(t, server), { authorization: `Bearer ${valid}` }), 101, `${name}: and a good one opens a socket afterwards`)
  }
  t.equal(accepted, 0)
  figure(t, 'tokens', `${kinds} kinds of bad tokens, each ${REPEATS} times by REST and by frame and ${2 * UPGRADES} times by upgrade, ${tried} attempts: ${accepted} accepted`)
})
