import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import type { TestClient } from '../fixtures/client.js'

const numbers = (client: TestClient): number[] => client.received.filter(({ type }) => type === 'x.n').map(({ n }) => n)

const since = (moment: number) => ({ since: moment })

/** A server with a channel that has the messages 1 and 2 from before a moment, and 3 from after it. */
async function start (t: Test, decide: (moment: number) => unknown, options: WsPluginOptions = {}, deskSince = since) {
  let moment = 0
  const server = await startApp(t, {
    authorizeSubscribe: (user) => user?.id === 'old' || decide(moment) as boolean, ...options
  }, { after: ({ ws }) => { ws.endpoint('/desk', { channels: ['room'], authorize: () => deskSince(moment) }) } })
  const { ws } = server.app
  const send = (n: number) => ws.sendToChannel('room', { type: 'x.n', n })
  const before = await server.connect('old')
  await before.request({ type: 'subscribe', channel_ids: ['room'] })
  const { epoch } = before.received.find(({ type }) => type === 'subscribed')!
  for (const n of [1, 2]) await send(n)
  const now = Date.now()
  while (Date.now() <= now) await setImmediate()
  moment = Date.now()
  await send(3)
  const beginning = { epoch, offset: 0 }
  return { server, send, beginning, recover: encodeURIComponent(JSON.stringify({ 'channel:room': beginning })) }
}

t.test('a subscription recovers only messages after the since of authorizeSubscribe, and counts them correctly', async (t) => {
  const { server, beginning, send } = await start(t, since)
  const client = await server.connect('new')
  await client.request({ type: 'subscribe', channel_ids: ['room'], recover: { room: beginning } })
  t.match(client.received.find(({ type }) => type === 'subscribed'), { epoch: beginning.epoch, offset: 2, recovered: true, missed: 1 })
  await send(4)
  await client.settled()
  t.strictSame(numbers(client), [3, 4])
})

t.test('the channel of the URL recovers only messages after the since of authorizeSubscribe, with a token or a first auth frame', async (t) => {
  const { server, recover } = await start(t, since, { auth: { firstFrame: true } })
  const path = `/ws?channel_id=room&recover=${recover}`
  const client = await server.connect('new', { path })
  await client.settled()
  t.strictSame(numbers(client), [3])
  t.match(client.received[0]!.data.streams.at(-1), { topic: 'channel:room', offset: 2, recovered: true, missed: 1 })
  const late = await server.dial('new', { token: null, path }).opened()
  await late.request({ type: 'auth', token: server.token('new') })
  t.strictSame(numbers(late), [3])
})

t.test('an endpoint\'s channels recover only messages after its since or authorizeSubscribe\'s, whichever is later', async (t) => {
  for (const [ofDesk, ofChannel] of [[0, null], [-60_000, 0], [0, -60_000]] as const) {
    const { server, recover } = await start(t, (moment) => since(moment + ofChannel!), {}, (moment) => since(moment + ofDesk))
    const client = await server.connect('new', { path: `/desk?recover=${recover}${ofChannel === null ? '' : '&channel_id=room'}` })
    await client.settled()
    t.strictSame(numbers(client), [3])
  }
})

t.test('a channel with recover latest sends its last message only if that is after since', async (t) => {
  const options: WsPluginOptions = { channels: { room: { recover: 'latest' } } }
  for (const [decide, expected] of [[(moment: number) => since(moment + 60_000), []], [since, [3]]] as const) {
    const { server } = await start(t, decide, options)
    const client = await server.connect('new')
    await client.request({ type: 'subscribe', channel_ids: ['room'] })
    await client.settled()
    t.strictSame(numbers(client), expected)
  }
})

t.test('after a token refresh a subscription recovers only messages after the new since', async (t) => {
  let later = 0
  const { server, beginning } = await start(t, (moment) => since(moment + later))
  const client = await server.connect('new')
  await client.request({ type: 'subscribe', channel_ids: ['room'] })
  later = 60_000
  await client.request({ type: 'auth', token: server.token('new') })
  await client.request({ type: 'subscribe', channel_ids: ['room'], recover: { room: beginning } })
  t.strictSame(numbers(client), [])
  t.match(client.received.filter(({ type }) => type === 'subscribed')[1], { offset: 3, recovered: true, missed: 0 })
})

t.test('without since a subscription recovers all kept messages', async (t) => {
  const { server, beginning } = await start(t, () => true)
  const client = await server.connect('new')
  await client.request({ type: 'subscribe', channel_ids: ['room'], recover: { room: beginning } })
  t.strictSame(numbers(client), [1, 2, 3])
})

t.test('an invalid since of authorizeSubscribe joins nothing, and the log names the hook and the fault', async (t) => {
  let bad: unknown
  const { server, beginning } = await start(t, () => bad)
  const client = await server.connect('new')
  const faults = () => server.logs.filter(({ msg }) => /authorize hook failed/.test(msg))
  const decisions: [unknown, string][] = [
    [{ since: NaN }, 'NaN'], [{ since: -1 }, '-1'], [{ since: Infinity }, 'Infinity'], [{ since: '0' }, 'string'], [{ since: null }, 'null'], [{}, 'undefined'], [new Date(), 'undefined'], [[], 'undefined']
  ]
  for (const [decision, shown] of decisions) {
    bad = decision
    const before = faults().length
    t.match(await client.request({ type: 'subscribe', channel_ids: ['room'], recover: { room: beginning } }), { type: 'error', code: 'internal' })
    t.equal(faults().length, before + 1)
    t.match(faults().at(-1), { hook: 'authorizeSubscribe', err: { message: `since must be a finite number of milliseconds since 1970, got ${shown}` } })
  }
  t.strictSame(numbers(client), [])
})
