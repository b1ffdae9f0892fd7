import { generateKeyPairSync } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { SECRET, startApp } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'
import { forge } from '../fixtures/tokens.js'

/** What a key function can do, switched while the server runs. */
function switchable (): { secret: (request: FastifyRequest) => Promise<string>, now: (request: FastifyRequest) => Promise<string> } {
  const keys = { now: async () => SECRET, secret: (request: FastifyRequest) => keys.now(request) } as ReturnType<typeof switchable>
  return keys
}

const never = () => new Promise<never>(() => {})

t.test('a key may come from a function, by promise or by callback', async (t) => {
  const callback = (_request: unknown, _token: unknown, done: (error: null, secret: string) => void) => { setImmediate(done, null, SECRET) }
  for (const secret of [async () => SECRET, callback as unknown as string]) {
    const server = await startApp(t, { jwt: { secret }, auth: { firstFrame: true } })
    const client = await server.connect('alice', { token: forge({ sub: 'alice' }) })
    t.match(await client.request({ type: 'auth', token: forge({ sub: 'bob' }) }), { type: 'reply', data: { user_id: 'bob' } })
    const wrong = forge({ sub: 'alice' }, { secret: 'a secret that the function does not answer' })
    t.match(await refusal(server.dial('alice', { token: wrong })), { statusCode: 401 })
    t.match(await client.request({ type: 'auth', token: wrong }), { code: 'unauthorized' })
  }
})

t.test('a public key verifies what its private key signed', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' }
  })
  const server = await startApp(t, { jwt: { secret: { private: privateKey, public: publicKey }, sign: { algorithm: 'ES256' } } })
  const client = await server.connect('alice')
  t.equal(client.received[0]!.data.user_id, 'alice')
  // The classic confusion: the public key, which everybody has, used as the secret of an HMAC.
  const confused = await refusal(server.dial('alice', { token: forge({ sub: 'alice' }, { secret: publicKey }) }))
  t.equal(confused.statusCode, 401)
})

t.test('a key function that fails counts as an outage, not as a bad token', async (t) => {
  const keys = switchable()
  const server = await startApp(t, { jwt: { secret: keys.secret } })
  const client = await server.connect('alice', { token: forge({ sub: 'alice' }) })
  const token = forge({ sub: 'bob' })
  const failures: Record<string, () => Promise<never>> = {
    fails: async () => { throw new Error('the key server is down') },
    'throws at once': () => { throw new Error('the key server is down') },
    'throws no error': async () => { throw 'the key server is down' }, // eslint-disable-line no-throw-literal
    'answers what is no key': async () => 5 as never
  }
  for (const [failure, fail] of Object.entries(failures)) {
    keys.now = fail
    server.logs.length = 0
    t.match(await refusal(server.dial('bob', { token })), {
      statusCode: 503, headers: { 'retry-after': /^\d+$/ }, body: { code: 'WSM_ERR_UNAVAILABLE' }
    }, `${failure}: the upgrade`)
    t.ok(server.logs.find(({ level }) => level >= 50)?.err, `${failure}: the log says why`)
    const rest = await server.rest('GET', '/ws/status', { as: null, headers: { authorization: `Bearer ${token}` } })
    t.match(rest, { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } }, `${failure}: REST`)
    t.match(await client.request({ type: 'auth', token }), { code: 'unavailable' }, `${failure}: the frame`)
  }
  keys.now = async () => SECRET
  t.equal((await client.request({ type: 'connection' })).data.user_id, 'alice', 'nothing has changed')
  t.equal((await client.request({ type: 'auth', token })).data.user_id, 'bob', 'and all is well when the source is back')
})

t.test('a key function error with status 401 counts as a bad token', async (t) => {
  const keys = switchable()
  keys.now = async () => { throw Object.assign(new Error('no key of that kid'), { statusCode: 401 }) }
  const server = await startApp(t, { jwt: { secret: keys.secret } })
  t.match(await refusal(server.dial('alice', { token: forge({ sub: 'alice' }) })), { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
})

t.test('with rejectMode close an outage of the key source closes with 1013', async (t) => {
  const keys = switchable()
  keys.now = async () => { throw new Error('the key server is down') }
  const server = await startApp(t, { jwt: { secret: keys.secret }, rejectMode: 'close' })
  const client = await server.dial('alice', { token: forge({ sub: 'alice' }) }).opened()
  t.match(await client.closed, { code: 1013 })
})

t.test('a hanging key function is given up after auth.timeoutMs', async (t) => {
  const keys = switchable()
  const server = await startApp(t, { jwt: { secret: keys.secret }, auth: { timeoutMs: 40 } })
  const token = forge({ sub: 'alice' })
  const client = await server.connect('alice', { token })
  keys.now = never
  t.match(await refusal(server.dial('alice', { token })), { statusCode: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
  const rest = await server.rest('GET', '/ws/status', { as: null, headers: { authorization: `Bearer ${token}` } })
  t.equal(rest.status, 503)
  t.equal(server.logs.filter((line) => line.level >= 50 && line.msg === 'authentication timed out' && line.timeout_ms === 40).length, 2, 'the log says so')

  // A frame that waits for the key holds up the frames behind it: only as long.
  const refreshed = client.request({ type: 'auth', token })
  const confirmed = client.request({ type: 'subscribe', user_id: 'alice' })
  t.match(await refreshed, { type: 'error', code: 'unavailable' })
  t.match(await confirmed, { type: 'reply' })
})

t.test('with rejectMode close a hanging key function closes with 1013', async (t) => {
  const server = await startApp(t, { jwt: { secret: never }, auth: { timeoutMs: 40 }, rejectMode: 'close' })
  const client = await server.dial('alice', { token: forge({ sub: 'alice' }) }).opened()
  t.match(await client.closed, { code: 1013 })
})

t.test('a key that arrives too late opens nothing', async (t) => {
  const keys = switchable()
  let answer = (_secret: string) => {}
  const server = await startApp(t, { jwt: { secret: keys.secret }, auth: { timeoutMs: 40 } })
  keys.now = () => new Promise((resolve) => { answer = resolve })
  const token = forge({ sub: 'bob' })
  t.match(await refusal(server.dial('bob', { token })), { statusCode: 503 })
  answer(SECRET)

  keys.now = async () => SECRET
  const client = await server.connect('alice', { token: forge({ sub: 'alice' }) })
  keys.now = () => new Promise((resolve) => { answer = resolve })
  t.match(await client.request({ type: 'auth', token }), { code: 'unavailable' })
  answer(SECRET)
  await client.settled()
  t.equal((await client.request({ type: 'connection' })).data.user_id, 'alice')
  t.same(server.app.ws.getStatus().users, 1)
})

t.test('a key function called for a frame still gets the server and its log', async (t) => {
  const keys = switchable()
  const server = await startApp(t, { jwt: { secret: keys.secret } }, { before: (app) => { app.decorate('keyring', { hmac: SECRET }) } })
  keys.now = async (request) => {
    request.log.info('a key is looked up')
    return (request.server as unknown as { keyring: { hmac: string } }).keyring.hmac
  }
  const client = await server.connect('alice', { token: forge({ sub: 'alice' }) })
  t.match(await client.request({ type: 'auth', token: forge({ sub: 'bob' }) }), { type: 'reply', data: { user_id: 'bob' } })
  t.equal(server.logs.filter(({ msg }) => msg === 'a key is looked up').length, 2)
})
