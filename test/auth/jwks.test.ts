import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSigner } from 'fast-jwt'
import buildGetJwks from 'get-jwks'
import t, { type Test } from 'tap'
import { inAnHour, startApp } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'
import { forge } from '../fixtures/tokens.js'

const pairs = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' })
}
type Alg = keyof typeof pairs

const pemOf = (key: KeyObject) => key.export(key.type === 'private' ? { type: 'pkcs8', format: 'pem' } : { type: 'spki', format: 'pem' }) as string

/** An issuer of tokens that publishes its keys; it counts who asks for them. */
async function startIssuer (t: Test) {
  const asked = { times: 0, isDown: false }
  const keys = Object.entries(pairs).map(([alg, { publicKey }]) => ({ ...publicKey.export({ format: 'jwk' }), kid: `of-${alg}`, alg, use: 'sig' }))
  const http = createServer((_request, response) => {
    asked.times++
    response.statusCode = asked.isDown ? 500 : 200
    response.end(JSON.stringify(asked.isDown ? {} : { keys }))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => { http.close(resolve); http.closeAllConnections() }))
  const domain = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`
  const sign = (alg: Alg, claims: object = {}, kid = `of-${alg}`) =>
    createSigner({ key: pemOf(pairs[alg].privateKey), algorithm: alg, kid })({ sub: 'alice', iss: domain, aud: 'sockets', exp: inAnHour(), ...claims })
  return { asked, domain, sign }
}

/** The server of the README's example: keys by `kid`, each made into PEM once. */
async function startVerifier (t: Test, domain: string) {
  const jwks = buildGetJwks({ issuersWhitelist: [domain] })
  const pems = new WeakMap<object, string>()
  const secret = async (_request: unknown, { header: { kid, alg } }: { header: { kid: string, alg: string } }) => {
    const jwk = await jwks.getJwk({ domain, kid, alg }).catch((error: { code?: string }) => {
      if (error.code === 'JWK_NOT_FOUND') return null
      throw error
    })
    if (jwk === null) return null
    const pem = pems.get(jwk) ?? pemOf(createPublicKey({ key: jwk as never, format: 'jwk' }))
    pems.set(jwk, pem)
    return pem
  }
  return startApp(t, {
    jwt: {
      secret: secret as never,
      decode: { complete: true },
      verify: { algorithms: ['RS256', 'ES256'], allowedIss: domain, allowedAud: 'sockets', requiredClaims: ['iss', 'aud'] }
    }
  })
}

t.test('tokens of an issuer are verified with its published keys, each fetched once', async (t) => {
  const issuer = await startIssuer(t)
  const server = await startVerifier(t, issuer.domain)
  for (const [index, alg] of (Object.keys(pairs) as Alg[]).entries()) {
    for (let i = 0; i < 5; i++) {
      const client = await server.connect('alice', { token: issuer.sign(alg) })
      t.equal(client.received[0]!.data.user_id, 'alice')
      t.match(await client.request({ type: 'auth', token: issuer.sign(alg) }), { type: 'reply' })
      await client.close()
    }
    t.equal(issuer.asked.times, index + 1, `${alg}: nine of ten verifications without a fetch`)
  }
  issuer.asked.isDown = true
  await server.connect('alice', { token: issuer.sign('ES256') })
  t.pass('and without the issuer')
})

t.test('an unknown kid, issuer, audience or algorithm is 401, and an issuer that is down is 503', async (t) => {
  const issuer = await startIssuer(t)
  const server = await startVerifier(t, issuer.domain)
  const publicPem = pemOf(pairs.RS256.publicKey)
  const bad: Record<string, string> = {
    'unknown kid': issuer.sign('RS256', {}, 'nobody\'s'),
    'the kid of another key': issuer.sign('RS256', {}, 'of-ES256'),
    'another issuer': issuer.sign('RS256', { iss: 'https://evil.example/' }),
    'no issuer': issuer.sign('RS256', { iss: undefined }),
    'another audience': issuer.sign('ES256', { aud: 'pages' }),
    'no audience': issuer.sign('ES256', { aud: undefined }),
    'not yet valid': issuer.sign('ES256', { nbf: inAnHour() }),
    'an HMAC with the public key': forge({ sub: 'alice', iss: issuer.domain, aud: 'sockets' }, { header: { alg: 'HS256', kid: 'of-RS256' }, secret: publicPem }),
    'the same, called RS256': forge({ sub: 'alice', iss: issuer.domain, aud: 'sockets' }, { header: { alg: 'RS256', kid: 'of-RS256' }, secret: publicPem }),
    'an unknown critical header': forge({ sub: 'alice', iss: issuer.domain, aud: 'sockets' }, { header: { alg: 'RS256', kid: 'of-RS256', crit: ['exp'] } })
  }
  for (const [fault, token] of Object.entries(bad)) {
    t.match(await refusal(server.dial('alice', { token })), { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } }, fault)
  }
  const cold = await startVerifier(t, issuer.domain)
  issuer.asked.isDown = true
  t.match(await refusal(cold.dial('alice', { token: issuer.sign('RS256') })), { statusCode: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
})
