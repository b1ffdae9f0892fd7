import t from 'tap'
import type { Frame, Socket } from '../../client/socket.js'
import { Hub } from '../../client/tabs/hub.js'

const EPOCH = 'e'
const at = (offset: number) => ({ epoch: EPOCH, offset })
const message = (topic: string, offset: number) => ({ type: 'said', n: offset, stream: { topic, ...at(offset) } })

/** A hub with a socket that the test speaks for. */
async function start () {
  const sent: Frame[] = []
  const socket: Socket = { protocol: '', onopen: null, onmessage: null, onclose: null, onerror: null, send: (data) => { sent.push(JSON.parse(data)) }, close: () => {} }
  const hub = new Hub(async () => () => socket)
  const attach = (id: string, recover: object = {}) => {
    const got: Frame[] = []
    hub.attach({ id, receive: (data) => { got.push(JSON.parse(data)) }, end: () => {} }, { url: `ws://localhost/ws?recover=${encodeURIComponent(JSON.stringify(recover))}`, protocols: [] })
    /** What it is told of a channel or a stream, and the offsets of messages. */
    const told = () => got.splice(0).map(({ type, n, channel, code }) => n ?? [type, channel ?? code].filter(Boolean).join(' '))
    const ask = (channel: string, id: number, position?: object) => hub.send(told.id, JSON.stringify({ type: 'subscribe', id, channel_ids: [channel], recover: position && { [channel]: position } }))
    told.id = id
    return { told, ask, got }
  }
  const one = attach('one')
  await new Promise((resolve) => { setImmediate(resolve) })
  const say = (...frames: object[]) => { for (const frame of frames) socket.onmessage!({ data: JSON.stringify(frame) }) }
  const greet = () => say({ type: 'connection', data: { client_id: 'c', user_id: 'alice', channels: [], streams: [{ topic: 'all', ...at(5), recovered: false, missed: 0 }, { topic: 'user:alice', ...at(5), recovered: false, missed: 0 }] } })
  greet()
  one.told()
  return { hub, sent, say, attach, one }
}

t.test('a tab gets no message of a channel before the answer to its own request, behind which those come that it has missed', async (t) => {
  const { say, attach, one } = await start()
  const two = attach('two')
  t.same(two.told(), ['connection'])
  one.ask('room', 1, at(7))
  two.ask('room', 1, at(3))
  say({ type: 'subscribed', channel: 'room', topic: 'channel:room', ...at(7), recovered: true, missed: 0 }, message('channel:room', 8))
  t.same(one.told(), ['subscribed room', 8])
  t.same(two.told(), [], 'or it would take 4 to 7 for old')
  say({ type: 'gap', topic: 'channel:room', ...at(8) })
  t.same(two.told(), [])
  say({ type: 'subscribed', channel: 'room', topic: 'channel:room', ...at(3), recovered: true, missed: 5 }, ...[4, 5, 6, 7, 8, 9].map((offset) => message('channel:room', offset)))
  t.same(two.told(), ['subscribed room', 4, 5, 6, 7, 8, 9])
})

t.test('a tab gets no messages of channels of other tabs, but those of a channel that the app has put the socket in', async (t) => {
  const { say, attach, one } = await start()
  const two = attach('two')
  one.ask('room', 1)
  say({ type: 'subscribed', channel: 'room', topic: 'channel:room', ...at(7), recovered: false, missed: 0 }, message('channel:room', 8), message('channel:hall', 3))
  t.same(one.told(), ['subscribed room', 8, 3])
  t.same(two.told(), ['connection', 3])
})

t.test('a tab that comes later recovers all its streams: messages come while it waits', async (t) => {
  const { sent, say, attach } = await start()
  const two = attach('two', { all: at(5), 'user:alice': at(2) })
  t.same(sent.at(-1)!.recover, { all: at(5), 'user:alice': at(2) })
  say(message('all', 6))
  t.same(two.told(), [])
  say({ type: 'subscribed', channel: null, topic: 'all', ...at(5), recovered: true, missed: 1 }, { type: 'subscribed', channel: null, topic: 'user:alice', ...at(2), recovered: true, missed: 3 })
  t.same(two.got[0]!.data.streams, [{ topic: 'all', ...at(5), recovered: true, missed: 1 }, { topic: 'user:alice', ...at(2), recovered: true, missed: 3 }])
  two.told()
  say(message('all', 6), ...[3, 4, 5].map((offset) => message('user:alice', offset)))
  t.same(two.told(), [6, 3, 4, 5])
})

t.test('an answer goes to the tab whose request it answers, where one before it was refused', async (t) => {
  const { say, attach, one } = await start()
  const two = attach('two')
  two.told()
  one.ask('room', 1)
  two.ask('room', 1)
  say({ type: 'error', id: 'one:1', code: 'unavailable' })
  t.same(one.told(), ['error unavailable'])
  say({ type: 'subscribed', channel: 'room', topic: 'channel:room', ...at(7), recovered: false, missed: 0 })
  t.same([one.told(), two.told()], [[], ['subscribed room']])
})

t.test('an answer to a tab that is gone goes to no other', async (t) => {
  const { hub, say, attach, one } = await start()
  const two = attach('two')
  two.told()
  two.ask('room', 1)
  one.ask('room', 1)
  hub.detach('two')
  say({ type: 'subscribed', channel: 'room', topic: 'channel:room', ...at(3), recovered: false, missed: 0 })
  t.same(one.told(), [])
  say({ type: 'subscribed', channel: 'room', topic: 'channel:room', ...at(3), recovered: false, missed: 0 })
  t.same(one.told(), ['subscribed room'])
})
