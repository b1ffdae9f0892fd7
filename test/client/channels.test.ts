import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { ChannelState } from '../../client/index.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { pageClient, withoutDelays } from '../fixtures/page-client.js'
import { TcpProxy } from '../fixtures/tcp-proxy.js'
import { until } from '../fixtures/until.js'

withoutDelays(t)

/** A server behind a proxy, with messages that count, and a state that has all of them. */
async function start (t: Test, options: WsPluginOptions = {}) {
  const server = await startApp(t, { authorizeSubscribe: (_user, channel) => !channel.startsWith('secret'), channels: { 'room*': { presence: true } }, ...options })
  const proxy = await TcpProxy.start(t, Number(new URL(server.origin).port))
  const behind = { origin: `http://127.0.0.1:${proxy.port}`, token: server.token.bind(server) }
  const { ws } = server.app
  const said: number[] = []
  const say = async () => {
    const n = said.length + 1
    said.push(n)
    await ws.sendToChannel('room', { type: 'room.said', n })
  }
  const read = async (): Promise<ChannelState<number[]>> => {
    // Before the state: what comes later may be in the state, and is not behind the position.
    const position = await ws.position('channel:room')
    return { state: [...said], position }
  }
  const away = async (run: () => Promise<unknown>) => {
    proxy.blackHole()
    proxy.cut()
    await run()
    proxy.heal()
  }
  return { server, proxy, behind, ws, say, said, read, away }
}

t.test('state and live messages are merged: none is missing, none comes twice', async (t) => {
  const { behind, say, said, read } = await start(t)
  const { client } = pageClient(t, behind, 'alice')
  await say()
  const over = new AbortController()
  const saying = (async () => {
    while (!over.signal.aborted) {
      await say()
      await setTimeout(1)
    }
  })()
  for (let round = 0; round < 20; round++) {
    const got: number[] = []
    const getState = async () => {
      await setTimeout(1)
      const state = await read()
      await setTimeout(3)
      return state
    }
    const room = client.channel('room', { getState })
    room.on('state', (state: number[]) => { got.splice(0, got.length, ...state) })
    room.on('room.said', ({ n }) => { got.push(n) })
    await until(() => room.status === 'live')
    const { length } = said
    await until(() => got.length > length)
    t.same(got, Array.from(got, (_, i) => i + 1))
    room.leave()
  }
  over.abort()
  await saying
})

t.test('a message that is in the state, and still on its way when that is loaded, does not come after it', async (t) => {
  const { behind, say, read } = await start(t)
  const { client } = pageClient(t, behind, 'alice')
  const room = client.channel('room', {
    getState: async () => {
      const { state, position } = await read()
      // As one reads it who is faster than the socket.
      return { state: [...state, 1], position: { ...position!, offset: position!.offset + 1 } }
    }
  })
  const events: unknown[] = []
  room.on('state', (state: number[]) => { events.push(state) })
  room.on('room.said', ({ n }) => { events.push(n) })
  await until(() => room.status === 'live')
  await say()
  await say()
  await until(() => events.at(-1) === 2)
  t.same(events, [[1], 2])
})

t.test('missed messages are recovered without loading the state, which is loaded again only after a gap', async (t) => {
  const { behind, say, read, away } = await start(t, { history: { size: 5 } })
  const { client } = pageClient(t, behind, 'alice')
  const events: unknown[] = []
  const room = client.channel('room', { getState: read })
  room.on('state', (state) => { events.push(['state', state.length]) })
  room.on('gap', () => { events.push('gap') })
  room.on('room.said', ({ n }) => { events.push(n) })
  await until(() => room.status === 'live')
  await away(say)
  await until(() => events.length === 2)
  await away(async () => { for (let i = 0; i < 10; i++) await say() })
  await until(() => events.length === 4)
  await say()
  await until(() => events.length === 5)
  t.same(events, [['state', 0], 1, 'gap', ['state', 11], 12])
})

t.test('without a position all messages that waited for the state are handed over', async (t) => {
  const { behind, say, said } = await start(t)
  const { client } = pageClient(t, behind, 'alice')
  const gate = new Gate()
  const got: unknown[] = []
  const room = client.channel('room', {
    getState: async () => {
      await gate.wait()
      return { state: [...said] }
    }
  })
  room.on('state', (state) => { got.push(state) })
  room.on('room.said', ({ n }) => { got.push(n) })
  await gate.reached
  await say()
  await say()
  t.equal(room.status, 'loading')
  gate.open()
  await until(() => got.length === 3)
  t.same(got, [[1, 2], 1, 2])
})

t.test('a getState() that fails, or is older than the messages, is called again', async (t) => {
  const { behind, say, read } = await start(t)
  const { client, failures } = pageClient(t, behind, 'alice')
  const old = await read()
  await say()
  let calls = 0
  const room = client.channel('room', {
    getState: async () => {
      if (++calls === 1) throw new Error('no database')
      return calls === 2 ? old : read()
    }
  })
  const states: unknown[] = []
  room.on('state', (state) => { states.push(state) })
  await until(() => room.status === 'live')
  t.same(states, [[1]])
  t.match(failures, [{ where: 'getState() of channel "room"', error: { message: 'no database' } }, { error: { code: 'old_state' } }])
})

t.test('a refused channel emits its error, and other channels are joined', async (t) => {
  const { behind, ws } = await start(t)
  const { client, failures } = pageClient(t, behind, 'alice')
  const [room, secret, silent] = [client.channel('room'), client.channel('secret'), client.channel('secret-2')]
  const errors: string[] = []
  secret.on('error', ({ code }) => { errors.push(code) })
  await until(() => room.status === 'live' && secret.status === 'refused' && silent.status === 'refused')
  t.same(errors, ['forbidden'])
  t.match(failures, [{ where: 'channel "secret-2"', error: { code: 'forbidden' } }])
  const reading = (async () => {
    for await (const message of secret) t.fail(JSON.stringify(message))
  })()
  secret.leave()
  await reading
  await ws.sendToChannel('room', { type: 'room.said', n: 1 })
})

t.test('two parts of a page in one channel are one member, and each leaves on its own', async (t) => {
  const { behind, say, ws } = await start(t)
  const { client } = pageClient(t, behind, 'alice')
  const [one, two] = [client.channel('room'), client.channel('room')]
  const got: string[] = []
  one.on('room.said', ({ n }) => { got.push(`one ${n}`) })
  two.on('room.said', ({ n }) => { got.push(`two ${n}`) })
  await until(() => one.status === 'live' && two.status === 'live')
  const three = client.channel('room')
  await until(() => three.status === 'live')
  await say()
  await until(() => got.length === 2)
  one.leave()
  one.leave()
  three.leave()
  await say()
  await until(() => got.length === 3)
  t.same(got, ['one 1', 'two 1', 'two 2'])
  t.same((await ws.presence('room')).users.map(({ user_id: id }) => id), ['alice'])
  two.leave()
  await until(async () => (await ws.presence('room')).clients === 0)
})

t.test('an iterator gets every message, until the channel is left', async (t) => {
  const { behind, say } = await start(t)
  const { client } = pageClient(t, behind, 'alice')
  const room = client.channel('room')
  const got: number[] = []
  const reading = (async () => {
    for await (const message of room) {
      got.push(message.n)
      if (message.n === 2) break
    }
    for await (const message of room) got.push(message.n)
  })()
  await until(() => room.status === 'live')
  await say()
  await say()
  await until(() => got.length === 2)
  await say()
  await until(() => got.length === 3)
  room.leave()
  await reading
  t.same(got, [1, 2, 3])
})

t.test('an iterator with more than 1,000 unread messages rejects with overflow', async (t) => {
  const { behind, say } = await start(t, { history: { size: 2_000 } })
  const { client } = pageClient(t, behind, 'alice')
  const room = client.channel('room')
  const iterator = room[Symbol.asyncIterator]()
  const first = iterator.next()
  await until(() => room.status === 'live')
  let last = 0
  room.on('room.said', ({ n }) => { last = n })
  for (let i = 0; i < 1_010; i++) await say()
  await until(() => last === 1_010)
  t.match(await first, { value: { n: 1 } })
  let read = 1
  await t.rejects((async () => { while (!(await iterator.next()).done) read++ })(), { code: 'overflow' })
  t.ok(read >= 1_000, `${read} were read before`)
})

t.test('presence is a list of user ids, a new array at each change', async (t) => {
  const { behind } = await start(t)
  const { client } = pageClient(t, behind, 'alice')
  const bob = pageClient(t, behind, 'bob')
  const room = client.channel('room')
  t.same(room.presence, [])
  const lists: (readonly string[])[] = []
  room.on('presence', (users) => { lists.push(users) })
  await until(() => room.presence.length === 1)
  const his = bob.client.channel('room')
  await until(() => room.presence.length === 2)
  t.same(room.presence, ['alice', 'bob'])
  t.equal(room.presence, lists.at(-1))
  his.leave()
  await until(() => room.presence.length === 1)
  t.same(room.presence, ['alice'])
})

t.test('a channel keeps what it must through a leave and a return within one turn', async (t) => {
  const { behind, say } = await start(t)
  const { client } = pageClient(t, behind, 'alice')
  const got: number[] = []
  for (let round = 1; round <= 10; round++) {
    const room = client.channel('room')
    room.on('room.said', ({ n }) => { got.push(n) })
    await until(() => room.status === 'live')
    await say()
    await until(() => got.length === round)
    room.leave()
  }
  t.same(got, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

t.test('a message without history reaches the listeners of its topic, and no others', async (t) => {
  const { behind, ws, server } = await start(t, { channels: { 'room-3': { history: false } } })
  const { client } = pageClient(t, behind, 'alice', { getToken: () => server.token('alice', { roles: ['editor'] }) })
  const got: string[] = []
  const rooms = ['room-1', 'room-2', 'room-3'].map((name) => client.channel(name))
  for (const room of rooms) room.on('app.now', ({ n }) => { got.push(`${room.name} ${n}`) })
  client.user.on('app.now', ({ n }) => { got.push(`user ${n}`) })
  client.all.on('app.now', ({ n }) => { got.push(`all ${n}`) })
  client.role('editor').on('app.now', ({ n }) => { got.push(`role ${n}`) })
  await until(() => rooms.every(({ status }) => status === 'live'))
  const [type, unkept] = ['app.now', { history: false }] as const
  await ws.sendToChannel('room-1', { type, n: 1 }, unkept)
  await ws.sendToChannel('room-3', { type, n: 2 })
  await ws.sendToUser('alice', { type, n: 3 }, unkept)
  await ws.broadcast({ type, n: 4 }, unkept)
  await ws.sendToRole('editor', { type, n: 5 }, unkept)
  await ws.sendToClient(client.me!.clientId, { type, n: 6 })
  await ws.sendToChannel('room-2', { type, n: 7 }, unkept)
  await until(() => got.includes('room-2 7'))
  t.strictSame(got, ['room-1 1', 'room-3 2', 'user 3', 'all 4', 'role 5', 'room-2 7'])
})
