import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { MemoryPresenceStore } from '../../lib/engine/memory/presence.js'
import { RecentLists } from '../../lib/streams/recent-lists.js'
import { startApp } from '../fixtures/app.js'
import type { TestClient } from '../fixtures/client.js'
import { Gate } from '../fixtures/gate.js'
import { memoryOptions } from '../fixtures/memory.js'
import { StallingClient } from '../fixtures/stalling-client.js'
import { nodeOn } from '../fixtures/node.js'
import { until } from '../fixtures/until.js'

async function start (t: Test, options: WsPluginOptions = {}) {
  const server = await startApp(t, { authorizeSubscribe: () => true, channels: { 'room.*': { presence: true } }, ...options })
  const events: string[] = []
  for (const event of ['user_joined', 'user_left'] as const) server.app.ws.on(event, ({ channel, userId: id }) => events.push(`${event} ${channel} ${id}`))
  return { server, ws: server.app.ws, events }
}

const room = '/ws?channel_id=room.1'

/** What a client was told of who is there. */
function told (client: TestClient): string[] {
  return client.received.filter(({ type }) => ['presence', 'joined', 'left'].includes(type)).map((frame) => frame.type === 'presence'
    ? `presence ${frame.users.map(({ user_id: id, client_ids: ids }: { user_id: string, client_ids: string[] }) => `${id}:${ids.length}`).join(' ')}`
    : `${frame.type} ${frame.user_id}`)
}

/** Resolves when the server has noticed that a socket is gone. */
async function gone (ws: Awaited<ReturnType<typeof start>>['ws'], close: () => unknown): Promise<void> {
  const noticed = new Promise<void>((resolve) => {
    const off = ws.on('client_disconnected', () => {
      off()
      resolve()
    })
  })
  await close()
  await noticed
}

t.test('members get the presence list, and are told of a user\'s first socket and of the last one leaving', async (t) => {
  const { server, ws, events } = await start(t)
  const alice = await server.connect('alice', { path: room })
  const bob = await server.connect('bob')
  await bob.request({ type: 'subscribe', channel_ids: ['room.1'] })
  await alice.next('joined')
  const bob2 = await server.connect('bob', { path: room })
  await gone(ws, () => bob.close())
  t.same(await ws.presence('room.1'), { clients: 2, users: [{ user_id: 'alice', client_ids: [alice.id] }, { user_id: 'bob', client_ids: [bob2.id] }] })
  await gone(ws, () => bob2.close())
  await alice.next('left')
  t.strictSame(told(alice), ['presence alice:1', 'joined bob', 'left bob'])
  t.strictSame(told(bob), ['presence alice:1 bob:1'])
  t.strictSame(told(bob2), ['presence alice:1 bob:2'])
  t.strictSame(events, ['user_joined room.1 alice', 'user_joined room.1 bob', 'user_left room.1 bob'])
})

t.test('a user who joins and leaves within the presence window is not announced', async (t) => {
  const { server, ws, events } = await start(t)
  const watcher = await server.connect('watcher', { path: room })
  await watcher.next('presence')
  await until(() => events.length === 1)
  // As if that were a while ago: see the next test.
  t.intercept(RecentLists.prototype, 'of', { value: () => new Map() })
  const [alice, bob] = [await server.connect('alice'), await server.connect('bob')]
  for (let i = 0; i < 20; i++) {
    await ws.join(alice.id, 'room.1')
    await ws.leave(alice.id, 'room.1')
  }
  await ws.join(bob.id, 'room.1')
  await watcher.next('joined')
  t.strictSame(told(watcher), ['presence watcher:1', 'joined bob'])
  t.strictSame(events, ['user_joined room.1 watcher', 'user_joined room.1 bob'])
})

t.test('a member whose presence list is about as old as two changes that cancel out is told of the second', async (t) => {
  const { server, ws, events } = await start(t)
  const watcher = await server.connect('watcher', { path: room })
  await watcher.next('presence')
  const [alice, bob, carol] = [await server.connect('alice'), await server.connect('bob'), await server.connect('carol')]
  // In memory all of this is done before a timer can run.
  await ws.join(alice.id, 'room.1')
  await ws.join(bob.id, 'room.1')
  await ws.leave(alice.id, 'room.1')
  await bob.next('left')
  await watcher.next('left')
  t.strictSame(told(bob), ['presence watcher:1 alice:1 bob:1', 'left alice'], 'nor is bob told that he came')
  t.strictSame(told(watcher), ['presence watcher:1', 'joined bob', 'left alice'])
  await ws.leave(bob.id, 'room.1')
  await ws.join(carol.id, 'room.1')
  await ws.join(bob.id, 'room.1')
  await carol.next('joined')
  t.strictSame(told(carol), ['presence watcher:1 carol:1', 'joined bob'])
  t.strictSame(events, ['watcher', 'bob', 'carol'].map((user) => `user_joined room.1 ${user}`))
})

t.test('presence changes of one window reach a member in one write', async (t) => {
  const { server, ws } = await start(t)
  const watcher = await server.connect('watcher', { path: room })
  await watcher.next('presence')
  const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => server.connect(`user-${i}`)))
  const socket = (watcher.socket as unknown as { _socket: Socket })._socket
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await Promise.all(clients.map(({ id }) => ws.join(id, 'room.1')))
  for (let i = 0; i < 20; i++) await watcher.next('joined')
  t.equal(chunks.length, 1)
})

t.test('a closing server announces the collected presence changes first', async (t) => {
  const { server, ws, events } = await start(t)
  const watcher = await server.connect('watcher', { path: room })
  const alice = await server.connect('alice')
  await ws.join(alice.id, 'room.1')
  await ws.leave(alice.id, 'room.1')
  await server.app.close()
  t.strictSame(events, ['user_joined room.1 watcher', 'user_left room.1 watcher'])
  t.strictSame(told(watcher), ['presence watcher:1', 'left alice'])
})

t.test('presence of a channel without the rule rejects with an error that names the rule', async (t) => {
  const { server, ws, events } = await start(t)
  const alice = await server.connect('alice', { path: '/ws?channel_id=hall' })
  await alice.close()
  t.strictSame(told(alice), [])
  await t.rejects(ws.presence('hall'), { code: 'WSM_ERR_NO_PRESENCE', statusCode: 500, message: /Channel "hall".*"channels".*\{ "hall": \{ presence: true \} \}/ })
  t.same((await server.rest('GET', '/ws/channels/hall')).body, { channel: 'hall', clients: 0, presence: null, next: null })
  t.strictSame(events, [])
})

t.test('ws.join() and ws.leave() change presence like subscribing, and twice like once', async (t) => {
  const { server, ws, events } = await start(t)
  const alice = await server.connect('alice')
  await ws.join(alice.id, 'room.1')
  await ws.join(alice.id, 'room.1')
  await alice.request({ type: 'subscribe', channel_ids: ['room.1'] })
  await until(() => events.length === 1)
  await ws.leave(alice.id, 'room.1')
  await ws.leave(alice.id, 'room.1')
  await until(() => events.length === 2)
  t.strictSame(events, ['user_joined room.1 alice', 'user_left room.1 alice'])
})

t.test('a socket that switches users leaves the presence list as one user and joins as the other', async (t) => {
  const { server, ws, events } = await start(t)
  const watcher = await server.connect('watcher', { path: room })
  const alice = await server.connect('alice', { path: room })
  await watcher.next('joined')
  await alice.request({ type: 'change_user', token: server.token('bob') })
  await watcher.next('joined')
  t.strictSame(told(watcher).slice(1), ['joined alice', 'left alice', 'joined bob'])
  t.same((await ws.presence('room.1')).users.map(({ user_id: id }) => id), ['watcher', 'bob'])
  t.equal(events.length, 4)
})

t.test('anonymous sockets are in the presence list, but not announced', async (t) => {
  const { server, ws, events } = await start(t, { auth: { anonymous: true } })
  const nobody = await server.connect('', { token: null, path: room })
  const other = await server.connect('', { token: null, path: room })
  t.same(await ws.presence('room.1'), { clients: 2, users: [{ user_id: null, client_ids: [nobody.id, other.id] }] })
  await gone(ws, () => nobody.close())
  t.equal((await ws.presence('room.1')).clients, 1)
  t.strictSame(events, [])
})

t.test('a socket that ends without a close frame is removed from the presence list', async (t) => {
  const { server, ws, events } = await start(t, { heartbeat: { intervalMs: 20, timeoutMs: 300 }, closeTimeoutMs: 20 })
  const watcher = await server.connect('watcher', { path: room })
  await until(() => events.length === 1)
  const dead = await StallingClient.open(server.origin, server.token('alice'), { path: room })
  t.teardown(() => dead.socket.destroy())
  await watcher.next((frame) => frame.type === 'left' && frame.user_id === 'alice')
  t.same((await ws.presence('room.1')).users.map(({ user_id: id }) => id), ['watcher'])
  t.strictSame(events, ['user_joined room.1 watcher', 'user_joined room.1 alice', 'user_left room.1 alice'])
})

t.test('REST lists the channels, and the presence of one', async (t) => {
  const { server } = await start(t)
  const alice = await server.connect('alice', { path: room })
  await server.connect('bob', { path: '/ws?channel_id=hall' })
  t.match(await server.rest('GET', '/ws/channels'), { status: 200, body: { channels: [{ channel: 'hall', clients: 1 }, { channel: 'room.1', clients: 1 }], next: null } })
  t.match(await server.rest('GET', '/ws/channels?limit=1'), { body: { channels: [{ channel: 'hall' }], next: 'hall' } })
  t.match(await server.rest('GET', '/ws/channels?limit=1&after=hall'), { body: { channels: [{ channel: 'room.1' }], next: null } })
  for (const query of ['?limit=0', '?limit=1001']) t.equal((await server.rest('GET', `/ws/channels${query}`)).status, 400)
  t.match(await server.rest('GET', '/ws/channels/room.1'), {
    status: 200, body: { channel: 'room.1', clients: 1, presence: { clients: 1, users: [{ user_id: 'alice', client_ids: [alice.id] }] } }
  })
  t.same((await server.rest('GET', '/ws/channels/empty')).body, { channel: 'empty', clients: 0, presence: null, next: null })
  t.match(await server.rest('GET', '/ws/channels', { as: 'bob' }), { status: 403 })
  t.match(await server.rest('GET', '/ws/channels/room.1', { as: 'bob' }), { status: 403 })
})

t.test('REST lists the presence of a channel in pages of sockets, anonymous ones first', async (t) => {
  const { server, ws } = await start(t, { auth: { anonymous: true } })
  const clients = []
  for (const user of ['', '', 'alice', 'alice', 'alice', 'bob:b', 'carol']) clients.push(await server.connect(user, { path: room, ...user === '' && { token: null } }))
  const listed: string[] = []
  const pages: string[][] = []
  for (let after: string | null = ''; after !== null;) {
    const { status, body } = await server.rest('GET', `/ws/channels/room.1?limit=2${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`)
    t.equal(status, 200)
    t.match(body, { channel: 'room.1', clients: 7, presence: { clients: 7 } }, 'the counts are those of all')
    const users: { user_id: string | null, client_ids: string[] }[] = body.presence.users
    pages.push(users.map(({ user_id: id, client_ids: ids }) => `${id}:${ids.length}`))
    for (const { user_id: id, client_ids: ids } of users) listed.push(...ids.map((clientId) => `${id} ${clientId}`))
    after = body.next
  }
  t.strictSame(pages, [['null:2'], ['alice:2'], ['alice:1', 'bob:b:1'], ['carol:1']])
  const all = (await ws.presence('room.1')).users.flatMap(({ user_id: id, client_ids: ids }) => ids.map((clientId) => `${id} ${clientId}`))
  t.strictSame(listed.toSorted(), all.toSorted(), 'each socket once')
  t.match(await server.rest('GET', '/ws/channels/room.1'), { body: { presence: { users: [{ user_id: null }, { user_id: 'alice' }, { user_id: 'bob:b' }, { user_id: 'carol' }] }, next: null } })
  for (const query of ['limit=0', 'limit=1001', 'after=nothing', 'before=1']) t.equal((await server.rest('GET', `/ws/channels/room.1?${query}`)).status, 400, query)
})

t.test('a presence list that changes while it is read is read again, a bounded number of times', async (t) => {
  const engine = new MemoryEngine(memoryOptions())
  t.teardown(() => engine.close())
  const { node: { presence } } = nodeOn(engine, { channels: { '*': { presence: true } } })
  const store = engine.presence
  const list = store.list.bind(store)
  let [reads, changing, client] = [0, 1, 0]
  t.intercept(store, 'list', {
    value: async (channel: string) => {
      reads++
      const before = await list(channel)
      // A change of another channel makes none of this one old.
      await store.add('other', { client_id: `${client++}`, user_id: 'carol' })
      if (changing-- > 0) await store.add(channel, { client_id: `${client++}`, user_id: `user-${client}` })
      return before
    }
  })
  t.equal((await presence.list('room')).clients, 1)
  t.equal(reads, 2)
  changing = 1_000
  await presence.list('room')
  t.equal(reads, 7)
})

t.test('a socket joins a channel without its presence list if the presence store is unreachable', async (t) => {
  const { server, ws } = await start(t)
  const fail = { value: async () => { throw new Error('out of reach') } }
  t.intercept(MemoryPresenceStore.prototype, 'list', fail)
  t.intercept(MemoryPresenceStore.prototype, 'remove', fail)
  const client = await server.connect('alice', { path: room })
  t.match(await ws.sendToChannel('room.1', { type: 'x.y' }), { localRecipients: 1 })
  await ws.leave(client.id, 'room.1')
  await client.settled()
  t.strictSame(told(client), [])
  t.ok(server.logs.some(({ msg, err }) => msg === 'the presence list could not be sent to a socket' && err.message === 'out of reach'))
  t.ok(server.logs.some(({ msg }) => msg === 'a socket that left could not be removed from the presence list'))
})

t.test('a socket that the app removes from the channel meanwhile gets no presence list', async (t) => {
  const { server, ws } = await start(t)
  const alice = await server.connect('alice')
  const gate = new Gate()
  const { list } = MemoryPresenceStore.prototype
  t.intercept(MemoryPresenceStore.prototype, 'list', {
    async value (this: MemoryPresenceStore, channel: string) {
      await gate.wait()
      return list.call(this, channel)
    }
  })
  const joined = ws.join(alice.id, 'room.1')
  await gate.reached
  await ws.leave(alice.id, 'room.1')
  gate.open()
  await joined
  await alice.settled()
  t.strictSame(told(alice), [])
})
