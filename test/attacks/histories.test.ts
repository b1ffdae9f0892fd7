import t from 'tap'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure } from '../fixtures/attacks.js'
import type { TestClient } from '../fixtures/client.js'
import { RedisServer } from '../fixtures/redis.js'

const NAMES = amount({ short: 2_000, long: 100_000 })
const SOCKETS = amount({ short: 8, long: 40 })
const CHANNELS = 100
const FLOOD_FRAMES = 12
const MIB = 1_048_576
/** What `SECURITY.md` promises for a socket, and its largest frame. */
const SOCKET_BYTES = 350 * 1_024 + 65_536
/** What the process may take besides: its heap grows ahead of what is needed. */
const SLACK_BYTES = 96 * MIB
const unlimited = { messagesPerSecond: 0, bytesPerSecond: 0, joinsPerSecond: 0, maxQueueBytes: 1_048_576 }
const redis = await RedisServer.start(t)
const stores = { memory: undefined, redis: redis.port }

const names = (from: number, count: number, kind: string) => Array.from({ length: count }, (_, n) => `open-${kind}-${from + n}`)

async function subscribe (client: TestClient, channels: string[], recover?: object) {
  return client.request({ type: 'subscribe', channel_ids: channels, ...recover !== undefined && { recover } })
}

for (const [store, port] of Object.entries(stores)) {
  t.test(`names that are joined and left leave nothing behind (${store})`, { timeout: 600_000 }, async (t) => {
    await redis.admin.flushall()
    const server = await AttackedServer.start(t, { limits: unlimited }, {}, port)
    const client = await server.connect('mallory')
    const joinAndLeave = async (from: number) => {
      const channels = names(from, CHANNELS, 'name')
      await subscribe(client, channels)
      await client.request({ type: 'unsubscribe', channel_ids: channels })
      client.received.length = client.queue.length = 0
    }
    await joinAndLeave(0)
    const before = await redis.admin.dbsize()
    const { heldBytes } = await server.ask('memory')
    for (let n = CHANNELS; n < NAMES; n += CHANNELS) await joinAndLeave(n)
    const left = await redis.admin.dbsize() - before
    const bytes = (await server.ask('memory')).heldBytes - heldBytes
    // A task or two of the node's own, whatever the number of names.
    t.ok(left <= 2, `${left} keys`)
    t.ok(bytes < 4 * MIB, `${bytes} bytes`)
    t.same((await server.ask('report')).uncaught, [])
    figure(t, `names, ${store}`, `${NAMES} channels joined and left: ${left} keys and ${(bytes / 1_024).toFixed(0)} KiB are left`)
  })

  t.test(`floods to other users leave the histories of others as they are (${store})`, { timeout: 600_000 }, async (t) => {
    await redis.admin.flushall()
    const server = await AttackedServer.start(t, { limits: unlimited }, {}, port)
    const [alice, mallory] = [await server.connect('alice'), await server.connect('mallory')]
    const channels = names(0, 50, 'idle')
    await subscribe(alice, channels)
    for (const channel of channels) await alice.request({ type: 'channel', channel_ids: [channel], data: { text: 'x'.repeat(1_000) } })
    const positions = Object.fromEntries(alice.received.filter(({ type }) => type === 'subscribed').map(({ channel, epoch, offset }) => [channel, { epoch, offset }]))
    await alice.request({ type: 'unsubscribe', channel_ids: channels })
    for (let frame = 0; frame < FLOOD_FRAMES; frame++) {
      await mallory.request({ type: 'user', user_ids: names(frame * 100, 100, 'victim'), data: { text: 'x'.repeat(62_000) } })
    }
    alice.received.length = 0
    await subscribe(alice, channels, positions)
    const intact = alice.received.filter(({ type, recovered, missed }) => type === 'subscribed' && recovered === true && missed === 1).length
    t.equal(intact, channels.length)
    const { uncaught, status } = await server.ask('report')
    t.same(uncaught, [])
    t.ok(status.rejected.history_per_sender > 1_000, `${status.rejected.history_per_sender} of the flood's own messages were evicted`)
    figure(t, `floods, ${store}`, `${FLOOD_FRAMES} frames to 100 users each, ${FLOOD_FRAMES * 100 * 62} kB: ${intact} of ${channels.length} idle histories are whole, ${status.rejected.history_per_sender} messages of the flood were evicted`)
  })

  t.test(`the recovery of ${CHANNELS} channels takes no more memory than a socket may have (${store})`, { timeout: 600_000 }, async (t) => {
    await redis.admin.flushall()
    const server = await AttackedServer.start(t, { limits: { ...unlimited, maxConnectionsPerUser: SOCKETS + 1 }, history: { maxBytesPerSender: 1_000_000_000, maxBytes: 1_000_000_000 } }, {}, port)
    const channels = names(0, CHANNELS, 'room')
    const first = await server.connect('alice')
    await subscribe(first, channels)
    const recover = Object.fromEntries(first.received.filter(({ type }) => type === 'subscribed').map(({ channel, epoch }) => [channel, { epoch, offset: 0 }]))
    await first.request({ type: 'unsubscribe', channel_ids: channels })
    for (let n = 0; n < 8; n++) await first.request({ type: 'channel', channel_ids: channels, data: { text: 'x'.repeat(17_000) } })
    const clients = await Promise.all(Array.from({ length: SOCKETS }, () => server.connect('alice')))
    const { rss } = await server.ask('memory')
    const answered = clients.map((client) => client.next((frame) => frame.type === 'subscribed'))
    for (const client of clients) client.send({ type: 'subscribe', channel_ids: channels, recover })
    await Promise.all(answered)
    for (const client of clients) client.socket.pause()
    await first.settled()
    const growth = (await server.ask('memory')).peakRss - rss
    t.ok(growth <= SOCKETS * SOCKET_BYTES + SLACK_BYTES, `${(growth / MIB).toFixed(1)} MiB`)
    for (const client of clients) client.socket.resume()
    const whole = await Promise.all(clients.map(async (client) => {
      await client.next('subscription_confirmed')
      return client.received.filter(({ type }) => type === 'channel').length === 8 * CHANNELS
    }))
    t.ok(whole.every((isWhole) => isWhole), 'and all of it comes')
    t.same((await server.ask('report')).uncaught, [])
    figure(t, `recovery, ${store}`, `${SOCKETS} sockets that recover 13.6 MB each and do not read: ${(growth / MIB / SOCKETS).toFixed(2)} MiB each at the peak`)
  })
}
