import { generateKeyPairSync, randomBytes } from 'node:crypto'
import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import wsPlugin, { type WsPluginOptions } from '../../lib/index.js'
import { SECRET, startApp } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'
import { forge } from '../fixtures/tokens.js'

const SHORT = 'thirty-one bytes are not enough'

const pem = { privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } } as const
const pairs = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048, ...pem }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256', ...pem }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384', ...pem }),
  EdDSA: generateKeyPairSync('ed25519', pem)
}

async function registration (t: Test, jwt: object, before?: (app: FastifyInstance) => unknown): Promise<{ app: FastifyInstance, error: Error | null }> {
  const app = Fastify()
  t.teardown(() => app.close())
  await before?.(app)
  const options = (before === undefined ? { jwt } : {}) as WsPluginOptions
  return { app, error: await app.register(wsPlugin, options).then(() => null, (error: Error) => error) }
}

/** What @fastify/jwt accepts, by its own options. */
function algorithmsOf (app: FastifyInstance): unknown {
  return (app.jwt as unknown as { options: FastifyJWTOptions }).options.verify!.algorithms
}

t.test('a secret under 32 bytes is refused in every form, and not shown', async (t) => {
  t.equal(Buffer.byteLength(SHORT), 31)
  for (const secret of [SHORT, Buffer.from(SHORT), 'x', { public: SHORT, private: SHORT }, { public: SHORT, private: SECRET }, { public: SECRET, private: SHORT }]) {
    const { error } = await registration(t, { secret })
    t.match(error, { code: 'WSM_ERR_INVALID_OPTION', message: /"jwt" has a secret of \d+ bytes: 32 are needed/ })
    t.notMatch(error!.message, SHORT)
  }
  for (const secret of [randomBytes(32), `${SHORT}!`, 'ä'.repeat(16)]) t.equal((await registration(t, { secret })).error, null, 'bytes are counted, not characters')
})

t.test('a short secret of the app\'s own @fastify/jwt is refused where its options show it', async (t) => {
  for (const options of [{ secret: SECRET, verify: { key: SHORT } }, { secret: SECRET, sign: { key: SHORT } }]) {
    const { error } = await registration(t, {}, (app) => app.register(fastifyJwt, options as FastifyJWTOptions))
    t.match(error, { code: 'WSM_ERR_INVALID_OPTION', message: /"jwt" has a secret of 31 bytes/ })
  }
})

t.test('the algorithms default to those of the key', async (t) => {
  const cases: Array<[jwt: object, algorithms: string[]]> = [
    [{ secret: SECRET }, ['HS256']],
    [{ secret: Buffer.from(SECRET) }, ['HS256']],
    [{ secret: SECRET, sign: { algorithm: 'HS512' } }, ['HS512']],
    [{ secret: SECRET, verify: { algorithms: ['HS384'], allowedIss: 'us' } }, ['HS384']],
    ...Object.entries(pairs).map(([algorithm, { publicKey }]) => [{ secret: { public: publicKey } }, [algorithm]] as [object, string[]]),
    [{ secret: { public: pairs.RS256.publicKey, private: pairs.RS256.privateKey }, sign: { algorithm: 'PS256' } }, ['PS256']]
  ]
  for (const [jwt, algorithms] of cases) {
    const { app, error } = await registration(t, jwt)
    t.equal(error, null)
    t.same(algorithmsOf(app), algorithms)
  }
})

t.test('an unreadable key, and a key without a known algorithm, need verify.algorithms or are refused', async (t) => {
  const odd = generateKeyPairSync('ec', { namedCurve: 'secp256k1', ...pem })
  const cases: Array<[jwt: object, message: RegExp]> = [
    [{ secret: async () => SECRET }, /"jwt" has a key function: verify.algorithms must name/],
    [{ secret: { public: async () => SECRET } }, /"jwt" has a key function/],
    [{ secret: odd.publicKey }, /"jwt" has a key of type ec: verify.algorithms must name/],
    [{ secret: { public: generateKeyPairSync('ed448', pem).publicKey } }, /"jwt" has a key of type ed448/],
    [{ secret: '-----BEGIN PUBLIC KEY-----\nnothing\n-----END PUBLIC KEY-----' }, /"jwt" is not valid: its key cannot be read/]
  ]
  for (const [jwt, message] of cases) t.match((await registration(t, jwt)).error, { code: 'WSM_ERR_INVALID_OPTION', message })
  t.equal((await registration(t, { secret: async () => SECRET, sign: { algorithm: 'HS256' } })).error, null)
})

t.test('a validly signed token of another algorithm than the key\'s is refused', async (t) => {
  const server = await startApp(t)
  const token = forge({ sub: 'alice' }, { header: { alg: 'HS512' }, hash: 'sha512' })
  t.equal((server.app.jwt.decode(token) as { sub: string }).sub, 'alice')
  t.equal((await refusal(server.dial('alice', { token }))).statusCode, 401)
})

t.test('an app whose @fastify/jwt names no algorithms gets a warning', async (t) => {
  const warnings = async (verify: FastifyJWTOptions['verify']) => {
    const server = await startApp(t, {}, { before: async (app) => { await app.register(fastifyJwt, { secret: SECRET, verify }) } })
    return server.logs.filter(({ level, msg }) => level === 40 && /verify\.algorithms/.test(msg)).length
  }
  t.equal(await warnings(undefined), 1)
  t.equal(await warnings({ algorithms: ['HS256'] }), 0)
})

t.test('a token without expiry is accepted with requireExp: false', async (t) => {
  const server = await startApp(t, { auth: { requireExp: false } })
  const client = await server.connect('alice', { token: forge({ sub: 'alice', exp: undefined }) })
  t.match(client.received[0], { data: { user_id: 'alice', expires_at: null } })
})

t.test('a key function that knows no such key makes the token invalid, in both styles', async (t) => {
  const unknown = [
    async () => undefined, async () => null,
    (_request: unknown, _token: unknown, done: (error: null, key?: null) => void) => { setImmediate(done, null) },
    (_request: unknown, _token: unknown, done: (error: null, key?: null) => void) => { setImmediate(done, null, null) }
  ]
  for (const secret of unknown) {
    const server = await startApp(t, { jwt: { secret: secret as never } })
    t.match(await refusal(server.dial('alice', { token: forge({ sub: 'alice' }) })), { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
    t.same(server.logs.filter(({ level }) => level >= 40), [])
  }
})
