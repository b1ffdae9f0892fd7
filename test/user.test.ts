import t from 'tap'
import { inAnHour, startApp } from './fixtures/app.js'
import { refusal } from './fixtures/refusal.js'
import { forge, forgeWith, inexactTokens } from './fixtures/tokens.js'

const named = async (server: Awaited<ReturnType<typeof startApp>>, claims: object): Promise<unknown> => {
  const client = await server.dial('', { token: server.app.jwt.sign({ exp: inAnHour(), ...claims as { sub: string } }) }).opened()
  return (await client.next('connection')).data.user_id
}

t.test('a user is named by sub, else by user_id, else by id', async (t) => {
  const server = await startApp(t)
  t.equal(await named(server, { sub: 'by sub', user_id: 'by user_id', id: 'by id' }), 'by sub')
  t.equal(await named(server, { user_id: 'by user_id', id: 'by id' }), 'by user_id')
  t.equal(await named(server, { id: 'by id' }), 'by id')
})

t.test('a number, zero included, can name a user', async (t) => {
  const server = await startApp(t)
  t.equal(await named(server, { id: 42 }), '42')
  t.equal(await named(server, { id: 0 }), '0')
})

t.test('the first claim that is present counts, even if it names nobody', async (t) => {
  const server = await startApp(t)
  for (const claims of [{ user_id: '', id: 'alice' }, { user_id: null, id: 'alice' }, { user_id: ['alice'], id: 'alice' }]) {
    const answer = await refusal(server.dial('', { token: server.app.jwt.sign({ exp: inAnHour(), ...claims }) }))
    t.match(answer, { statusCode: 401, body: { message: /name a user/ } }, JSON.stringify(claims))
  }
})

t.test('auth.userIdClaim sets the claim, or several', async (t) => {
  const single = await startApp(t, { auth: { userIdClaim: 'email' } })
  t.equal(await named(single, { email: 'alice@example.org', sub: '42' }), 'alice@example.org')
  t.equal((await refusal(single.dial('42'))).statusCode, 401)

  const several = await startApp(t, { auth: { userIdClaim: ['uid', 'email'] } })
  t.equal(await named(several, { email: 'alice@example.org', uid: 7 }), '7')
  t.equal(await named(several, { email: 'alice@example.org' }), 'alice@example.org')
})

t.test('names that are special to JavaScript are ordinary user ids', async (t) => {
  const server = await startApp(t)
  for (const name of ['__proto__', 'constructor', 'all', 'user:alice', 'channel:news', 'ÄÖ 🙂', 'x'.repeat(256)]) {
    const client = await server.connect(name)
    t.equal(client.received[0]!.data.user_id, name)
    t.match(await server.app.ws.sendToUser(name, { type: 'app.hello' }), { localRecipients: 1 })
    t.match(await server.app.ws.sendToChannel('news', { type: 'app.hello' }), { localRecipients: 0 })
    await client.close()
  }
})

t.test('roles and scope grant a permission, as an array or as words', async (t) => {
  const server = await startApp(t)
  const status = async (claims: object) => {
    const authorization = `Bearer ${server.token('alice', claims)}`
    return (await server.rest('GET', '/ws/status', { as: null, headers: { authorization } })).status
  }
  for (const granted of ['ws:admin', 'read ws:admin write', ['ws:admin'], ['read', 'ws:admin']]) {
    t.equal(await status({ roles: granted }), 200, `roles ${JSON.stringify(granted)}`)
    t.equal(await status({ scope: granted }), 200, `scope ${JSON.stringify(granted)}`)
  }
  for (const granted of ['', 'ws:administrator', 'xws:admin', 'ws:admin,read', [], ['ws:admin read'], [['ws:admin']], { 'ws:admin': true }, true, null]) {
    t.equal(await status({ roles: granted, scope: granted }), 403, JSON.stringify(granted))
  }
  t.equal(await status({ permissions: ['ws:admin'] }), 403, 'no other claim does')
})

t.test('two numbers that JSON rounds to one name no user, and the log says why', async (t) => {
  const server = await startApp(t, { auth: { userIdClaim: ['user_id', 'sub'] } })
  for (const id of ['1186429487629180929', '1186429487629180931']) {
    t.match(await refusal(server.dial('', { token: forgeWith({ user_id: id }) })), { statusCode: 401, body: { message: /its claim user_id must be text .* or a safe integer/ } })
    t.match(server.logs.find(({ msg }) => msg === 'a validly signed token was refused for its claims'), { level: 40, reason: /its claim user_id/ })
    t.notMatch(JSON.stringify(server.logs), id.slice(0, 12), 'without the claims')
    server.logs.length = 0
  }
  for (const [text, id] of [['9007199254740991', '9007199254740991'], ['-7', '-7'], ['1e3', '1000'], ['42.0', '42']] as const) {
    const client = await server.dial('', { token: forgeWith({ user_id: text }) }).opened()
    t.equal((await client.next('connection')).data.user_id, id)
  }
})

t.test('an inexact user id is refused everywhere, with a reason in the log', async (t) => {
  const server = await startApp(t, { auth: { requireExp: false }, limits: { maxErrorsPerMinute: 1_000 } })
  const client = await server.connect('alice')
  for (const [name, token] of Object.entries(inexactTokens())) {
    t.equal((await refusal(server.dial('', { token }))).statusCode, 401, name)
    t.equal((await server.rest('POST', '/ws/tickets', { as: null, headers: { authorization: `Bearer ${token}` } })).status, 401, name)
    t.match(await client.request({ type: 'auth', token }), { code: 'unauthorized' }, name)
  }
  t.match((await client.request({ type: 'connection' })).data, { user_id: 'alice' })
})

t.test('a token without times, or with fractions of seconds, is valid if it may live forever', async (t) => {
  const server = await startApp(t, { auth: { requireExp: false } })
  const endless = await server.connect('', { token: forge({ sub: 'alice', exp: undefined }) })
  t.equal(endless.received[0]!.data.expires_at, null)
  const exact = await server.connect('', { token: forge({ sub: 'alice', exp: 1_999_999_999.5, iat: 1.5, nbf: 0, jti: 7 }) })
  t.equal(exact.received[0]!.data.expires_at, 1_999_999_999_500)
})

t.test('properties missing in the token are null', async (t) => {
  const server = await startApp(t, { auth: { requireExp: false } })
  const told = new Promise<object>((resolve) => server.app.ws.on('client_connected', ({ client }) => resolve({ ...client.user, claims: null })))
  await server.connect('', { token: forge({ sub: 'alice', exp: undefined, iat: undefined }) })
  t.strictSame(await told, { id: 'alice', claims: null, expiresAt: null, issuedAt: null, jti: null })
})

t.test('an inexact user or channel name passed by the app is refused with an error', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const client = await server.connect('1')
  const message = { type: 'app.x' }
  const bad = { code: 'WSM_ERR_INVALID_ARGUMENT' }
  for (const id of [1, 2 ** 60, undefined, null, '', 'x'.repeat(257), '\ud800', ['1'], { id: '1' }] as string[]) {
    await t.rejects(ws.sendToUser(id, message), bad, String(id).slice(0, 20))
    await t.rejects(ws.disconnect({ userId: id }), bad)
    await t.rejects(ws.tasks.cancel('task', { userId: id }), { code: /WSM_ERR_(INVALID_ARGUMENT|NOT_FOUND)/ })
    t.throws(() => ws.startHeartbeat({ userId: id, taskId: 'task' }), bad)
    await t.rejects(ws.tasks.start({ userId: id }), { code: 'WSM_ERR_INVALID_ARGUMENT' })
    await t.rejects(ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: id, taskId: 'task' }), { code: 'WSM_ERR_INVALID_ARGUMENT' })
    await t.rejects(ws.revoke({ userId: id }), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  }
  for (const channel of [7, undefined, '', 'x'.repeat(201), '\udc00'] as string[]) {
    await t.rejects(ws.sendToChannel(channel, message), bad)
    await t.rejects(ws.join(client.id, channel), bad)
    await t.rejects(ws.presence(channel), bad)
    await t.rejects(ws.history(channel), bad)
  }
  await client.settled()
  t.equal(client.count('app.x') + client.count('heartbeat'), 0)
  t.match(await ws.sendToUser('1', message), { localRecipients: 1 })
})

t.test('names that differ in half a surrogate pair are refused in frames, too', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true, authorizeSend: () => true })
  const client = await server.connect('alice')
  for (const frame of [
    { type: 'subscribe', channel_ids: ['room-\ud800'] }, { type: 'subscribe', user_id: '\ud800' }, { type: 'unsubscribe', channel_ids: ['\udc00'] },
    { type: 'user', user_ids: ['bob\ud800'], data: {} }, { type: 'channel', channel_ids: ['\ud800room'], data: {} }, { type: 'cancel', task_id: '\udc00\ud800' }
  ]) t.match(await client.request(frame), { code: 'invalid_message' }, JSON.stringify(frame))
  t.match(await client.request({ type: 'subscribe', channel_ids: ['room-👋', '\ufffd'] }), { type: 'reply' })
})
