import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { redis } from '../../lib/engine/redis/redis.js'
import { UnavailableError } from '../../lib/errors.js'
import type { EngineFactory, WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import type { Frame, TestClient } from '../fixtures/client.js'
import { RedisServer } from '../fixtures/redis.js'
import { refusal } from '../fixtures/refusal.js'

const redisServer = await RedisServer.start(t)
let prefixes = 0

const engines: Array<[string, (prefix: string) => EngineFactory | undefined, nodes: number]> = [
  ['memory', () => undefined, 1],
  ['Redis', (prefix) => redis({ host: '127.0.0.1', port: redisServer.port }, { prefix }), 2]
]

const positionsOf = (frame: Frame): Record<string, object> =>
  Object.fromEntries(frame.data.streams.map(({ topic, epoch, offset }: Frame) => [topic, { epoch, offset }]))
const rolesOf = (frame: Frame): string[] => Object.keys(positionsOf(frame)).filter((topic) => topic.startsWith('role:'))
const numbers = (client: TestClient): number[] => client.received.filter(({ type }) => type === 'x.n').map(({ n }) => n)

for (const [name, engineOf, count] of engines) {
  /** Nodes that share an engine: the first and the last of them, which on memory are one. */
  const start = async (t: Test, options: WsPluginOptions = {}): Promise<[TestApp, TestApp]> => {
    const prefix = `roles-${prefixes++}`
    const nodes = []
    for (let n = 0; n < count; n++) nodes.push(await startApp(t, { engine: engineOf(prefix), ...options }))
    return [nodes[0]!, nodes.at(-1)!]
  }

  t.test(`${name}: a message to a role reaches all sockets of its users on all nodes`, async (t) => {
    const [a, b] = await start(t)
    const alice = await a.connect('alice', { claims: { roles: ['editor', 'editor', 7, '', 'x'.repeat(129), 'lone \ud800', 'ws:admin'] } })
    const bob = await b.connect('bob', { claims: { roles: 'author  editor' } })
    const carol = await b.connect('carol', { claims: { scope: 'editor', role: 'editor' } })
    t.same(rolesOf(alice.received[0]!), ['role:editor', 'role:ws:admin'])
    t.same(rolesOf(bob.received[0]!), ['role:author', 'role:editor'])
    t.same(rolesOf(carol.received[0]!), [])
    const { localRecipients, position } = await a.app.ws.sendToRole('editor', { type: 'x.n', n: 1 })
    t.equal(localRecipients, count === 1 ? 2 : 1)
    t.match(position, { offset: 1 })
    t.match((await b.rest('POST', '/ws/roles/editor/messages', { body: { message: { type: 'x.n', n: 2 } } })).body, { position: { offset: 2 } })
    t.match(await a.app.ws.sendToRole('ws:admin', { type: 'x.n', n: 3 }, { except: [alice.id] }), { position: { offset: 1 } })
    for (const client of [alice, bob]) {
      await client.next('x.n')
      t.match(client.streamOf(await client.next('x.n')), { topic: 'role:editor', offset: 2 })
    }
    for (const client of [alice, bob, carol]) await client.settled()
    t.same([alice, bob, carol].map(numbers), [[1, 2], [1, 2], []])
    await alice.close()
    await bob.close()
    t.match(await b.app.ws.sendToRole('author', { type: 'x.n', n: 4 }), { localRecipients: 0 })
  })

  t.test(`${name}: users recover messages of their roles by URL and by subscribe`, async (t) => {
    const [a, b] = await start(t)
    const claims = { roles: ['editor'] }
    const before = await a.connect('alice', { claims })
    const positions = positionsOf(before.received[0]!)
    await before.close()
    await a.app.ws.sendToRole('editor', { type: 'x.n', n: 1 })
    await a.app.ws.sendToRole('editor', { type: 'x.n', n: 2 })
    const path = `/ws?recover=${encodeURIComponent(JSON.stringify(positions))}`
    const after = await b.connect('alice', { claims, path })
    t.match(after.received[0]!.data.streams.find(({ topic }: Frame) => topic === 'role:editor'), { recovered: true, missed: 2 })
    await after.next('x.n')
    await after.next('x.n')
    const byFrame = await b.connect('bob', { claims })
    await byFrame.request({ type: 'subscribe', recover: { 'role:editor': positions['role:editor'] } })
    t.match(byFrame.received.find(({ type }) => type === 'subscribed'), { channel: null, topic: 'role:editor', recovered: true, missed: 2 })
    t.same([after, byFrame].map(numbers), [[1, 2], [1, 2]])
    const stranger = await b.connect('carol', { path })
    t.match(await stranger.request({ type: 'subscribe', recover: { 'role:editor': positions['role:editor'] } }),
      { code: 'invalid_message', details: [{ path: '/recover/role:editor' }] })
    t.same(numbers(stranger), [])
  })

  t.test(`${name}: a fresh token changes the roles of a socket, which misses no message of a role that it keeps`, async (t) => {
    const [a, b] = await start(t)
    const client = await a.connect('alice', { claims: { roles: ['author', 'editor'] } })
    const over = new AbortController()
    const sending = (async () => {
      for (let n = 1; !over.signal.aborted; n++) {
        await b.app.ws.sendToRole('editor', { type: 'x.n', n })
        await setImmediate()
      }
    })()
    t.same(rolesOf(await client.request({ type: 'auth', token: a.token('alice', { roles: ['editor', 'reviewer'] }) })), ['role:editor', 'role:reviewer'])
    over.abort()
    await sending
    await b.app.ws.sendToRole('author', { type: 'x.author' })
    await b.app.ws.sendToRole('reviewer', { type: 'x.reviewer' })
    await client.next('x.reviewer')
    const got = numbers(client)
    t.same(got, got.map((_, index) => index + 1))
    t.equal(client.count('x.author') + client.count('gap'), 0)
    t.same(rolesOf(await client.request({ type: 'auth', token: a.token('alice') })), [])
    t.match(await a.app.ws.sendToRole('editor', { type: 'x.n', n: 0 }), { localRecipients: 0 })
  })

  t.test(`${name}: a socket that switches users leaves the old user's roles and joins the new user's`, async (t) => {
    const [a] = await start(t, { auth: { anonymous: true } })
    const client = await a.connect('alice', { claims: { roles: ['author', 'editor'] } })
    const members = async () => {
      const reports = []
      for (const role of ['author', 'editor', 'reviewer']) reports.push((await a.app.ws.sendToRole(role, { type: 'x.y' })).localRecipients)
      return reports
    }
    t.same(await members(), [1, 1, 0])
    t.same(rolesOf(await client.request({ type: 'change_user', token: a.token('bob', { roles: ['editor', 'reviewer'] }) })), ['role:editor', 'role:reviewer'])
    t.same(await members(), [0, 1, 1])
    await client.request({ type: 'change_user' })
    t.same(await members(), [0, 0, 0])
  })

  t.test(`${name}: users can read the history of their own roles and tasks, and of others with permission`, async (t) => {
    const [a, b] = await start(t, { history: { recoverFrom: 'start' } })
    await a.app.ws.sendToRole('editor', { type: 'x.n', n: 1 })
    await a.app.ws.tasks.start({ userId: 'alice', taskId: 'import' })
    const read = async (topic: string, userId: string, claims = {}) => {
      const authorization = `Bearer ${b.token(userId, claims)}`
      const { status, body } = await b.rest('GET', `/ws/history?topic=${topic}`, { as: null, headers: { authorization } })
      return status === 200 ? body.messages.length : status
    }
    t.equal(await read('role:editor', 'alice', { roles: 'editor' }), 1)
    t.equal(await read('role:editor', 'alice', { roles: 'author', scope: 'editor' }), 403)
    t.equal(await read('role:editor', 'root', { roles: 'ws:admin' }), 1)
    t.equal(await read('task:import', 'alice'), 0)
    t.equal(await read('task:import', 'bob'), 403)
    t.equal(await read('task:none', 'alice'), 403)
    t.equal(await read('task:import', 'root', { roles: 'ws:admin' }), 0)
    t.match(await a.app.ws.history('role:editor'), { messages: [{ n: 1 }] })
    t.match(await a.app.ws.history('task:import'), { messages: [] })
    for (const topic of ['role:', `role:${'x'.repeat(129)}`, 'task:', 'group:a']) {
      t.equal(await read(topic, 'alice'), 400, topic)
      await t.rejects(a.app.ws.history(topic), { code: 'WSM_ERR_INVALID_ARGUMENT' }, topic)
    }
  })
}

t.test('a user with too many roles is refused at the upgrade and in an auth frame, and counted', async (t) => {
  const server = await startApp(t, { limits: { maxRolesPerUser: 2 }, auth: { firstFrame: true } })
  const roles = ['a', 'b', 'c']
  const message = 'The token names 3 roles; a user who connects can have at most 2'
  t.match(await refusal(server.dial('alice', { claims: { roles } })), { statusCode: 403, body: { code: 'WSM_ERR_TOO_MANY_ROLES', message } })
  const client = await server.connect('alice', { claims: { roles: ['a', 'b', 'a'] } })
  t.match(await client.request({ type: 'auth', token: server.token('alice', { roles }) }), { type: 'error', code: 'too_many_roles', message })
  t.match(await client.request({ type: 'auth', token: server.token('bob', { roles }) }), { code: 'too_many_roles' })
  t.match(await client.request({ type: 'connection' }), { data: { user_id: 'alice' } })
  t.match(await server.app.ws.sendToRole('a', { type: 'x.y' }), { localRecipients: 1 }, 'the socket is what it was')
  const first = await server.dial('', { token: null }).opened()
  t.match(await first.request({ type: 'auth', token: server.token('alice', { roles }) }), { code: 'too_many_roles' })
  t.equal(server.app.ws.getStatus().rejected.roles, 4)
  const authorization = `Bearer ${server.token('alice', { roles: [...roles, 'ws:admin'] })}`
  t.equal((await server.rest('GET', '/ws/status', { as: null, headers: { authorization } })).status, 200, 'by REST they do no harm')
  const closing = await startApp(t, { limits: { maxRolesPerUser: 2 }, rejectMode: 'close' })
  t.same(await (await closing.dial('alice', { claims: { roles } }).opened()).closed, { code: 1008, reason: message })
})

t.test('a fresh token whose new role cannot be joined is refused, and the socket keeps its roles', async (t) => {
  const { subscribe } = MemoryEngine.prototype
  t.intercept(MemoryEngine.prototype, 'subscribe', {
    value: async function (this: MemoryEngine, topic: string) {
      if (topic === 'role:reviewer') throw new UnavailableError('Redis is out of reach')
      return subscribe.call(this, topic)
    }
  })
  const server = await startApp(t)
  const { ws } = server.app
  const client = await server.connect('alice', { claims: { roles: ['editor'] } })
  t.match(await client.request({ type: 'auth', token: server.token('alice', { roles: ['reviewer'] }) }), { type: 'error', code: 'unavailable' })
  t.same(rolesOf(await client.request({ type: 'connection' })), ['role:editor'])
  t.match(await ws.sendToRole('editor', { type: 'x.y' }), { localRecipients: 1 })
  t.match(await ws.sendToRole('reviewer', { type: 'x.y' }), { localRecipients: 0 })
  t.same(rolesOf(await client.request({ type: 'auth', token: server.token('alice', { roles: ['editor'] }) })), ['role:editor'])
})

t.test('a socket leaves the roles that it joined with, even if the app has changed the claims meanwhile', async (t) => {
  const claims = { roles: ['editor'] }
  const server = await startApp(t, { jwt: undefined, authenticate: () => ({ id: 'alice', claims }) }, { before: (app) => { app.decorate('jwt', {} as never) } })
  const client = await server.connect('', { token: null })
  claims.roles = ['author']
  t.match(await server.app.ws.sendToRole('editor', { type: 'x.y' }), { localRecipients: 1 })
  const ended = new Promise((resolve) => server.app.ws.on('client_disconnected', resolve))
  await client.close()
  await ended
  t.match(await server.app.ws.sendToRole('editor', { type: 'x.y' }), { localRecipients: 0 })
})
