import t from 'tap'
import { inAnHour, startApp } from '../fixtures/app.js'
import { refusal } from '../fixtures/refusal.js'

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

t.test('a number is a name, zero too', async (t) => {
  const server = await startApp(t)
  t.equal(await named(server, { id: 42 }), '42')
  t.equal(await named(server, { id: 0 }), '0')
})

t.test('the first claim that is there counts, also where it names nobody', async (t) => {
  const server = await startApp(t)
  for (const claims of [{ user_id: '', id: 'alice' }, { user_id: null, id: 'alice' }, { user_id: ['alice'], id: 'alice' }]) {
    const answer = await refusal(server.dial('', { token: server.app.jwt.sign({ exp: inAnHour(), ...claims }) }))
    t.match(answer, { statusCode: 401, body: { message: /name a user/ } }, JSON.stringify(claims))
  }
})

t.test('auth.userIdClaim says which claim it is, or which ones', async (t) => {
  const single = await startApp(t, { auth: { userIdClaim: 'email' } })
  t.equal(await named(single, { email: 'alice@example.org', sub: '42' }), 'alice@example.org')
  t.equal((await refusal(single.dial('42'))).statusCode, 401)

  const several = await startApp(t, { auth: { userIdClaim: ['uid', 'email'] } })
  t.equal(await named(several, { email: 'alice@example.org', uid: 7 }), '7')
  t.equal(await named(several, { email: 'alice@example.org' }), 'alice@example.org')
})

t.test('names that are special to JavaScript are names like any other', async (t) => {
  const server = await startApp(t)
  for (const name of ['__proto__', 'constructor', 'all', 'user:alice', 'channel:news', 'ÄÖ 🙂', 'x'.repeat(256)]) {
    const client = await server.connect(name)
    t.equal(client.received[0]!.data.user_id, name)
    t.same(await server.app.ws.sendToUser(name, { type: 'app.hello' }), { recipients: 1 })
    t.same(await server.app.ws.sendToChannel('news', { type: 'app.hello' }), { recipients: 0 })
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
