import t from 'tap'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure } from '../fixtures/attacks.js'
import type { TestClient } from '../fixtures/client.js'
import { RedisServer } from '../fixtures/redis.js'
import { until } from '../fixtures/until.js'

const NAMES = amount({ short: 200, long: 100_000 })
const SOCKETS = amount({ short: 2, long: 40 })
const CHANNELS = 100
const FLOOD_FRAMES = amount({ short: 3, long: 12 })
const MIB = 1_048_576
/** What `SECURITY.md` promises for a socket, and its largest frame. */
const SOCKET_BYTES = 350 * 1_024 + 65_536
/** What the process may take besides: its heap grows ahead of what is needed. */
const SLACK_BYTES = 24 * MIB
const limits = { messagesPerSecond: 0, bytesPerSecond: 0, joinsPerSecond: 0, maxConnectionsPerUser: SOCKETS + 1 }
t.setTimeout(600_000)
const redis = await RedisServer.start(t)
const stores = { memory: undefined, redis: redis.port }

const names = (from: number, count: number, kind: string) => Array.from({ length: count }, (_, n) => `open-${kind}-${from + n}`)

async function subscribe (client: TestClient, channels: string[], recover?: object) {
  return client.request({ type: 'subscribe', channel_ids: channels, ...recover !== undefined && { recover } })
}

for (const [store, port] of Object.entries(stores)) {
  t.test(`histories (${store})`, { timeout: 600_000 }, async (t) => {
    const server = await AttackedServer.start(t, { limits }, {}, port === undefined ? {} : { redisPort: port })
    const [alice, mallory] = [await server.connect('alice'), await server.connect('mallory')]

    await t.test(`recovery of ${CHANNELS} channels takes no more memory than a socket may use`, async (t) => {
      const channels = names(0, CHANNELS, 'room')
      await subscribe(alice, channels)
      const recover = positionsOf(alice, channels)
      await alice.request({ type: 'unsubscribe', channel_ids: channels })
      // Nobody may keep all of it alone.
      for (let n = 0; n < 4; n++) {
        const sender = await server.connect(`sender-${n}`)
        for (const part of [channels.slice(0, 50), channels.slice(50)]) await sender.request({ type: 'channel', channel_ids: part, data: { text: 'x'.repeat(34_000) } })
      }
      const clients = await Promise.all(Array.from({ length: SOCKETS }, () => server.connect('bob')))
      const { rss } = await server.ask('memory')
      const answered = clients.map((client) => client.next('subscribed'))
      for (const client of clients) client.send({ type: 'subscribe', channel_ids: channels, recover })
      await Promise.all(answered)
      for (const client of clients) client.socket.pause()
      await alice.settled()
      const growth = (await server.ask('memory')).peakRss - rss
      t.ok(growth <= SOCKETS * SOCKET_BYTES + SLACK_BYTES, `${(growth / MIB).toFixed(1)} MiB`)
      const [patient, ...others] = clients as [TestClient, ...TestClient[]]
      for (const client of others) client.socket.terminate()
      patient.socket.resume()
      await until(() => patient.count('subscription_confirmed') === 1)
      t.equal(patient.count('channel'), 4 * CHANNELS, 'and all of it comes')
      figure(t, `recovery, ${store}`, `${SOCKETS} sockets that recover 13.6 MB each and do not read: ${(growth / MIB / SOCKETS).toFixed(2)} MiB each at the peak`)
      for (const client of [alice, patient]) client.received.length = client.queue.length = 0
    })

    await t.test('joining and leaving many channel names leaves nothing behind', async (t) => {
      const joinAndLeave = async (from: number) => {
        const channels = names(from, CHANNELS, 'name')
        await subscribe(mallory, channels)
        await mallory.request({ type: 'unsubscribe', channel_ids: channels })
        mallory.received.length = mallory.queue.length = 0
      }
      await joinAndLeave(0)
      const before = await redis.admin.dbsize()
      const { heldBytes } = await server.ask('memory')
      for (let n = CHANNELS; n < NAMES; n += CHANNELS) await joinAndLeave(n)
      const left = await redis.admin.dbsize() - before
      const bytes = (await server.ask('memory')).heldBytes - heldBytes
      t.equal(left, 0)
      t.ok(bytes < 4 * MIB, `${bytes} bytes`)
      figure(t, `names, ${store}`, `${NAMES} channels joined and left: ${left} keys and ${(bytes / 1_024).toFixed(0)} KiB are left`)
    })

    await t.test('floods to other users do not evict the histories of others', async (t) => {
      const channels = names(0, 20, 'idle')
      await subscribe(alice, channels)
      await alice.request({ type: 'channel', channel_ids: channels, data: { text: 'x'.repeat(1_000) } })
      const positions = positionsOf(alice, channels)
      await alice.request({ type: 'unsubscribe', channel_ids: channels })
      for (let frame = 0; frame < FLOOD_FRAMES; frame++) {
        await mallory.request({ type: 'user', user_ids: names(frame * 100, 100, 'victim'), data: { text: 'x'.repeat(62_000) } })
      }
      await subscribe(alice, channels, positions)
      const intact = alice.received.filter(({ type, recovered, missed }) => type === 'subscribed' && recovered === true && missed === 1).length
      t.equal(intact, channels.length)
      const { rejected } = (await server.ask('report')).status
      t.ok(rejected.history_per_sender > FLOOD_FRAMES * 60, `${rejected.history_per_sender} messages`)
      figure(t, `floods, ${store}`, `${FLOOD_FRAMES} frames to 100 users each, ${(FLOOD_FRAMES * 6.2).toFixed(0)} MB: ` +
        `${intact} of ${channels.length} idle histories are whole, ${rejected.history_per_sender} messages of the flood were evicted`)
    })

    await t.test('a flood behind others\' messages evicts none of them, and is refused when its sender\'s share is used up', async (t) => {
      const channels = names(0, 20, 'behind')
      await subscribe(alice, channels)
      const positions = positionsOf(alice, channels)
      await alice.request({ type: 'channel', channel_ids: channels, data: { text: 'from alice' } })
      await alice.request({ type: 'unsubscribe', channel_ids: channels })
      alice.received.length = alice.queue.length = 0
      const flooder = await server.connect('flooder')
      let refused = 0
      for (let frame = 0; frame < 5; frame++) {
        const { type, code } = await flooder.request({ type: 'channel', channel_ids: channels, data: { text: 'x'.repeat(62_000) } })
        if (type === 'error' && code === 'rate_limited') refused++
      }
      await subscribe(alice, channels, positions)
      const whole = alice.received.filter(({ type, recovered }) => type === 'subscribed' && recovered === true).length
      t.strictSame([refused, whole], [2, channels.length])
      figure(t, `behind others, ${store}`, `5 frames to 20 channels each, 6.2 MB: ${refused} refused, ${whole} of ${channels.length} histories are whole`)
    })

    t.same((await server.ask('report')).uncaught, [])
  })
}

/** Where the streams of some channels were that it has come into. */
function positionsOf ({ received }: TestClient, channels: readonly string[]): Record<string, object> {
  return Object.fromEntries(received.filter(({ type, channel }) => type === 'subscribed' && channels.includes(channel)).map(({ channel, epoch, offset }) => [channel, { epoch, offset }]))
}
