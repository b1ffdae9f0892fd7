import t, { type Test } from 'tap'
import { redis } from '../../lib/engine/redis/redis.js'
import type { EngineFactory, StreamPosition, WsManager } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { RedisServer } from '../fixtures/redis.js'

const server = await RedisServer.start(t)
let prefixes = 0

const engines: Array<[string, () => EngineFactory | undefined]> = [
  ['memory', () => undefined],
  ['Redis', () => redis({ host: '127.0.0.1', port: server.port }, { prefix: `position-${prefixes++}` })]
]

const say = (ws: WsManager, n: number) => ws.sendToChannel('room', { type: 'x.n', n })

for (const [name, engineOf] of engines) {
  const start = (t: Test): Promise<TestApp> =>
    startApp(t, { engine: engineOf(), authorizeSubscribe: () => true, channels: { 'ticker.*': { history: false } } })

  t.test(`${name}: ws.position() is where a stream is now: what is sent afterwards follows it, and nothing else`, async (t) => {
    const { app: { ws } } = await start(t)
    const empty = await ws.position('channel:room')
    t.match(empty, { epoch: String, offset: 0 })
    const first = await say(ws, 1)
    t.strictSame(await ws.position('channel:room'), first.position)
    t.equal(first.position!.epoch, empty!.epoch)
    for (const n of [2, 3]) await say(ws, n)
    t.match((await ws.history('channel:room', first.position!)).messages, [{ n: 2 }, { n: 3 }])
    t.match((await ws.history('channel:room', empty!)).messages, [{ n: 1 }, { n: 2 }, { n: 3 }])
    t.strictSame((await ws.history('channel:room', (await ws.position('channel:room'))!)).messages, [])
  })

  t.test(`${name}: a client that joins with the position from before a state was read gets what is newer, once`, async (t) => {
    const server = await start(t)
    const { ws } = server.app
    const state: number[] = []
    const change = (n: number) => {
      state.push(n)
      return say(ws, n)
    }
    for (const n of [1, 2]) await change(n)
    const position = await ws.position('channel:room')
    await change(3)
    const read = [...state]
    await change(4)
    const client = await server.connect('alice')
    await client.request({ type: 'subscribe', channel_ids: ['room'], recover: { room: position } })
    await change(5)
    await client.next(({ n }) => n === 5)
    t.strictSame(client.received.filter(({ type }) => type === 'x.n').map(({ n }) => n), [3, 4, 5])
    t.strictSame([...new Set([...read, 3, 4, 5])], state, 'the state and the messages after its position have everything')
  })

  t.test(`${name}: ws.position() of a stream without history is null, each kind of topic has one, and a bad topic is refused`, async (t) => {
    const { app: { ws } } = await start(t)
    t.equal(await ws.position('channel:ticker.a'), null)
    for (const topic of ['all', 'user:alice', 'role:editor', 'task:import', 'channel:room']) t.match(await ws.position(topic), { offset: 0 }, topic)
    for (const topic of ['room', '', 'channel:', 'nothing:x']) await t.rejects(ws.position(topic), { code: 'WSM_ERR_INVALID_ARGUMENT', message: /ws\.position\(\): topic/ }, topic)
  })
}

t.test('every node has the same position', async (t) => {
  const engine = redis({ host: '127.0.0.1', port: server.port }, { prefix: 'position-of-all' })
  const [a, b] = await Promise.all([startApp(t, { engine }), startApp(t, { engine })])
  await a.app.ws.broadcast({ type: 'x.n' })
  const position: StreamPosition | null = await b.app.ws.position('all')
  t.match(position, { offset: 1 })
  t.strictSame(await a.app.ws.position('all'), position)
})
