import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { MemoryPresenceStore } from '../../lib/engine/memory/presence.js'
import { RedisEngine } from '../../lib/engine/redis/engine.js'
import { RedisPresenceStore } from '../../lib/engine/redis/presence.js'
import { redis } from '../../lib/engine/redis/redis.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp, type ConnectOptions, type TestApp } from '../fixtures/app.js'
import type { TestClient } from '../fixtures/client.js'
import { Gate } from '../fixtures/gate.js'
import { RedisServer } from '../fixtures/redis.js'

type Member = TestClient & { id: string }

/** The step at which a socket ends on its way into a channel: while the app, the presence, the engine or the history is asked. */
type Place = 'app' | 'presence' | 'subscription' | 'history'

interface Way {
  places: Place[]
  /** How the socket connects; by default it is open before it goes into the channel. */
  dial?: (channel: string) => ConnectOptions
  /** Done while nothing takes any time. */
  prepare?: (client: Member, channel: string) => Promise<unknown>
  begin?: (client: Member, channel: string, server: TestApp) => void
}

const EVERYWHERE: Place[] = ['app', 'presence', 'subscription']
const subscribe = (channel: string, more: object = {}) => ({ type: 'subscribe', channel_ids: [channel], ...more })

const ways: Record<string, Way> = {
  'a subscribe frame': { places: EVERYWHERE, begin: (client, channel) => client.send(subscribe(channel)) },
  'a subscribe frame that recovers': {
    places: [...EVERYWHERE, 'history'],
    begin: (client, channel) => client.send(subscribe(channel, { recover: { [channel]: { epoch: 'x', offset: 0 } } }))
  },
  'channel_id in the URL': { places: EVERYWHERE, dial: (channel) => ({ path: `/ws?channel_id=${channel}` }) },
  'channel_id in the URL, and a token in the first frame': {
    places: EVERYWHERE,
    dial: (channel) => ({ path: `/ws?channel_id=${channel}`, token: null }),
    begin: (client, _channel, server) => client.send({ type: 'auth', token: server.token('alice') })
  },
  'an endpoint': { places: EVERYWHERE, dial: (channel) => ({ path: `/desk?channel=${channel}` }) },
  'join of a handler': { places: EVERYWHERE, begin: (client, channel) => client.send({ type: 'app.join', channel }) },
  'ws.join': { places: EVERYWHERE, begin: (client, channel, server) => client.send({ type: 'app.joined', channel, id: server.origin }) },
  change_user: {
    places: ['app', 'presence'],
    prepare: (client, channel) => client.request(subscribe(channel)),
    begin: (client, _channel, server) => client.send({ type: 'change_user', token: server.token('bob') })
  },
  'a fresh token': {
    places: ['app'],
    prepare: (client, channel) => client.request(subscribe(channel)),
    begin: (client, _channel, server) => client.send({ type: 'auth', token: server.token('alice') })
  }
}

/** An app in which one step can be held up for all but the socket that looks who is there. */
async function start (t: Test, options: WsPluginOptions) {
  let held: { place: Place, gate: Gate } | null = null
  const hold = (place: Place) => {
    held = { place, gate: new Gate() }
    return held.gate
  }
  const at = async (place: Place) => { if (held?.place === place) await held.gate.wait() }
  const decide = async (user: string | undefined) => {
    if (user !== 'watcher') await at('app')
    return true
  }
  for (const [store, engine] of [[MemoryPresenceStore.prototype, MemoryEngine.prototype], [RedisPresenceStore.prototype, RedisEngine.prototype]] as const) {
    const { add } = store
    t.intercept(store, 'add', {
      async value (this: MemoryPresenceStore & RedisPresenceStore, ...args: Parameters<typeof add>) {
        if (args[1].user_id !== 'watcher') await at('presence')
        return add.apply(this, args)
      }
    })
    const { subscribe, history } = engine
    t.intercept(engine, 'subscribe', {
      async value (this: MemoryEngine & RedisEngine, topic: string) {
        if (topic.startsWith('channel:')) await at('subscription')
        return subscribe.call(this, topic)
      }
    })
    t.intercept(engine, 'history', {
      async value (this: MemoryEngine & RedisEngine, ...args: Parameters<typeof history>) {
        await at('history')
        return history.apply(this, args)
      }
    })
  }
  const message = Type.Object({ channel: Type.String() })
  const server = await startApp(t, { auth: { firstFrame: true }, authorizeSubscribe: (user) => decide(user?.id), channels: { '*': { presence: true } }, ...options }, {
    after: ({ ws }) => {
      ws.endpoint('/desk', { channels: ({ query }) => [(query as { channel: string }).channel], authorize: (_request, user) => decide(user?.id) })
      ws.handle('app.join', { schema: message }, async ({ channel }, { join }) => {
        await at('app')
        await join(channel)
      })
      ws.handle('app.joined', { schema: message }, async ({ channel }, { client }) => {
        await at('app')
        await ws.join(client!.id, channel)
      })
    }
  })
  return { server, hold }
}

const redisServer = await RedisServer.start(t)
for (const [name, options] of [['memory', {}], ['Redis', { engine: redis({ port: redisServer.port, host: '127.0.0.1' }, { prefix: 'ended' }) }]] as const) {
  t.test(`a socket that ends during a join is not in the channel (${name})`, async (t) => {
    const { server, hold } = await start(t, options)
    const { ws } = server.app
    const watcher = await server.connect('watcher')
    for (const [way, { places, dial, prepare, begin }] of Object.entries(ways)) {
      for (const place of places) {
        const channel = `${way} ${place}`.replaceAll(/\W/g, '-')
        const accepted = once(server.app.server, 'connection') as Promise<[Socket]>
        let client = dial === undefined ? await server.connect('alice') : null
        await prepare?.(client!, channel)
        const gate = hold(place)
        client ??= server.dial('alice', dial!(channel)) as Member
        if (begin !== undefined) begin(await client.opened() as Member, channel, server)
        await gate.reached
        const [socket] = await accepted
        // Writing to a socket that has ended is an error of it before its end.
        const ended = new Promise((resolve) => socket.once('close', resolve))
        // Before the upgrade is answered nothing is read of the socket, so its end is noticed with the answer.
        if (client.socket.readyState === client.socket.CONNECTING) gate.open()
        client.socket.terminate()
        await ended
        // By then all that follows from the end of the socket is done.
        await setImmediate()
        gate.open()
        // Behind what was asked of the channel before.
        await ws.join(watcher.id, channel)
        t.same(await ws.presence(channel), { clients: 1, users: [{ user_id: 'watcher', client_ids: [watcher.id] }] }, channel)
        t.match(await ws.sendToChannel(channel, { type: 'app.news' }), { localRecipients: 1 }, channel)
        await ws.leave(watcher.id, channel)
        t.match(ws.getStatus(), { active_connections: 1, channels: 0 }, channel)
      }
    }
  })
}
