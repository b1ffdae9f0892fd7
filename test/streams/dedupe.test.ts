import t, { type Test } from 'tap'
import { redis } from '../../lib/engine/redis/redis.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import type { Frame, TestClient } from '../fixtures/client.js'
import { RedisServer } from '../fixtures/redis.js'
import { until } from '../fixtures/until.js'

const { port } = await RedisServer.start(t)
let prefixes = 0

/** One node in memory, or two on one Redis. */
const layouts: Array<[string, (t: Test, options: WsPluginOptions) => Promise<[TestApp, TestApp]>]> = [
  ['memory', async (t, options) => {
    const server = await startApp(t, options)
    return [server, server]
  }],
  ['Redis', async (t, options) => {
    const engine = redis({ host: '127.0.0.1', port }, { prefix: `dedupe-${prefixes++}` })
    return [await startApp(t, { ...options, engine }), await startApp(t, { ...options, engine })]
  }]
]

/** A client as the protocol tells it to be: it outlives its sockets, handles a message once, and acknowledges every copy. */
class Recipient {
  readonly handled: number[] = []
  readonly copies: Frame[] = []
  readonly #seen = new Set<string>()

  listen (client: TestClient, isAcknowledging = true): void {
    const receive = (frame: Frame) => {
      if (frame.requires_ack !== true) return
      this.copies.push(frame)
      if (!this.#seen.has(frame.message_id)) {
        this.handled.push(frame.n)
        this.#seen.add(frame.message_id)
      }
      if (isAcknowledging) client.send({ type: 'ack', message_id: frame.message_id })
    }
    client.received.forEach(receive)
    client.socket.on('message', (data) => receive(JSON.parse(data.toString())))
  }
}

const recovering = ({ epoch, offset }: Frame) => `/ws?recover=${encodeURIComponent(JSON.stringify({ 'user:alice': { epoch, offset } }))}`
const own = (client: TestClient): Frame => client.received[0]!.data.streams.find(({ topic }: Frame) => topic === 'user:alice')

for (const [name, start] of layouts) {
  t.test(`${name}: a client that remembers message_ids handles each message once, whichever way its copies arrive`, async (t) => {
    const [here, there] = await start(t, {})
    const alice = new Recipient()
    const first = await here.connect('alice')
    const position = own(first)
    alice.listen(first, false)
    const report = here.app.ws.sendToUser('alice', { type: 'x.y', n: 1 }, { ack: { timeoutMs: 10_000, tries: 100 } })
    await until(() => alice.copies.length >= 2, { missing: () => 'a second copy on one socket' })
    await first.close()
    const second = await there.connect('alice', { path: recovering(position) })
    alice.listen(second)
    t.match(await report, { acked: [second.id], missing: [] })
    const before = alice.copies.length
    const third = await here.connect('alice', { path: recovering(position) })
    await third.settled()
    alice.listen(third)
    t.equal(alice.copies.length, before + 1, 'the history has it still')
    t.equal(new Set(alice.copies.map(({ message_id: id }) => id)).size, 1, 'all copies have one message_id')
    t.strictSame(alice.handled, [1])
    t.match(own(third), { recovered: true, missed: 1 })
  })

  t.test(`${name}: after an acknowledged send has ended, copies come only from the history, and none once it has expired`, async (t) => {
    const [here, there] = await start(t, { history: { size: 1 } })
    const alice = new Recipient()
    const silent = await here.connect('alice')
    const gone = await there.connect('alice')
    const position = own(silent)
    alice.listen(silent, false)
    const sending = here.app.ws.sendToUser('alice', { type: 'x.y', n: 1 }, { ack: { timeoutMs: 300, tries: 3 } })
    // Its node sends again what it knows to be waited for.
    for (let copy = 0; copy < 2; copy++) await gone.next('x.y')
    await gone.close()
    const { acked, missing } = await sending
    t.strictSame([acked, new Set(missing)], [[], new Set([silent.id, gone.id])])
    const late = [await here.connect('alice'), await there.connect('alice')]
    const recovered = await there.connect('alice', { path: recovering(position) })
    await recovered.next('x.y')
    await silent.settled()
    const { length } = alice.copies
    t.ok(length >= 3, `${length} copies`)
    await there.app.ws.sendToUser('alice', { type: 'x.z' })
    const after = await there.connect('alice', { path: recovering(position) })
    t.match(own(after), { recovered: false, missed: 0 })
    for (const client of [silent, after, ...late]) await client.settled()
    t.equal(alice.copies.length, length, 'the socket that did not answer is left alone')
    for (const client of [after, ...late]) t.equal(client.count('x.y'), 0)
  })
}
