import t from 'tap'
import { startApp } from '../../fixtures/app.js'

const open = (_user: unknown, channel: string) => !channel.startsWith('secret')
const many = { limits: { maxErrorsPerMinute: 1_000 } }

t.test('subscribing to allowed channels sends a subscribed frame for each and one confirmation', async (t) => {
  const asked: unknown[] = []
  const server = await startApp(t, {
    authorizeSubscribe: (user, channel) => {
      asked.push([user?.id, user?.claims.role, channel])
      return true
    }
  })
  const client = await server.connect('alice', { claims: { role: 'editor' } })
  client.send({ type: 'subscribe', channel_ids: ['b', 'a'] })
  const position = { epoch: String, offset: 0, recovered: false, missed: 0 }
  t.match(await client.next(), { type: 'subscribed', channel: 'b', ...position })
  t.match(await client.next(), { type: 'subscribed', channel: 'a', ...position })
  t.same(await client.next(), { type: 'subscription_confirmed', channel_ids: ['b', 'a'], user_id: 'alice' })
  t.same(asked, [['alice', 'editor', 'b'], ['alice', 'editor', 'a']])
  await server.app.ws.sendToChannel('a', { type: 'news.flash', of: 'a' })
  await server.app.ws.sendToChannel('c', { type: 'news.flash', of: 'c' })
  await client.settled()
  t.same(client.received.filter(({ type }) => type === 'news.flash').map(({ of }) => of), ['a'])
})

t.test('subscribing to a channel is refused unless the app allows it', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'subscribe', channel_ids: ['lobby'] }), { code: 'forbidden', details: { channel: 'lobby' } })
  t.match(await server.app.ws.sendToChannel('lobby', { type: 'news.flash' }), { localRecipients: 0 })
})

t.test('a failing authorizeSubscribe hook denies, and its error is hidden from the client', async (t) => {
  const server = await startApp(t, {
    authorizeSubscribe: (_user, channel) => {
      if (channel === 'throw') throw new Error('hunter2')
      return channel === 'reject' ? Promise.reject(new Error('hunter2')) : 'yes' as unknown as boolean
    }
  })
  const client = await server.connect('alice')
  for (const channel of ['throw', 'reject']) {
    const error = await client.request({ type: 'subscribe', channel_ids: [channel] })
    t.match(error, { code: 'unavailable', details: { channel } })
    t.notMatch(JSON.stringify(error), /hunter2/)
  }
  t.match(await client.request({ type: 'subscribe', channel_ids: ['truthy'] }), { code: 'forbidden' }, 'only true allows')
  t.equal(server.app.ws.getStatus().channels, 0)
})

t.test('a subscribe frame joins all of its channels or none', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: open })
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['kept'] })
  const answer = await client.request({ type: 'subscribe', channel_ids: ['a', 'secret', 'b'] })
  t.match(answer, { code: 'forbidden', message: /secret/, details: { channel: 'secret' } })
  t.same((await client.request({ type: 'connection' })).data.channels, ['kept'])
  t.equal(client.count('subscribed'), 1)
  t.equal(server.app.ws.getStatus().channels, 1)
})

t.test('authorizeSubscribe sees the channels that the client had before the subscribe frame', async (t) => {
  const seen: unknown[] = []
  const server = await startApp(t, {
    authorizeSubscribe: (_user, channel, socket) => {
      seen.push([channel, ...socket!.channels])
      return true
    }
  })
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['a', 'b'] })
  await client.request({ type: 'subscribe', channel_ids: ['c'] })
  t.same(seen, [['a'], ['b'], ['c', 'a', 'b']])
})

t.test('subscribing to a channel twice and leaving it twice are harmless', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: open })
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['a', 'a'] })
  await client.request({ type: 'subscribe', channel_ids: ['a'] })
  t.same((await client.request({ type: 'connection' })).data.channels, ['a'])
  await server.app.ws.sendToChannel('a', { type: 'news.flash' })
  await client.settled()
  t.equal(client.count('news.flash'), 1)
  client.send({ type: 'unsubscribe', channel_ids: ['a', 'never'] })
  t.same(await client.next('unsubscribed'), { type: 'unsubscribed', channel: 'a', reason: 'unsubscribed' })
  t.same(await client.next('unsubscribed'), { type: 'unsubscribed', channel: 'never', reason: 'unsubscribed' })
  t.match(await server.app.ws.sendToChannel('a', { type: 'news.flash' }), { localRecipients: 0 }, 'once is enough to leave')
})

t.test('a connection can be a member of at most limits.maxChannelsPerConnection channels', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: open, limits: { maxChannelsPerConnection: 2 } })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'subscribe', channel_ids: ['a', 'b', 'c'] }), { code: 'too_many_channels' })
  t.same((await client.request({ type: 'connection' })).data.channels, [], 'all or none')
  await client.request({ type: 'subscribe', channel_ids: ['a', 'b'] })
  t.match(await client.request({ type: 'subscribe', channel_ids: ['c'] }), { code: 'too_many_channels', message: /2 channels/ })
  t.match(await client.request({ type: 'subscribe', channel_ids: ['b', 'a'] }), { type: 'reply' }, 'those that it has count once')
  await client.request({ type: 'unsubscribe', channel_ids: ['a'] })
  t.match(await client.request({ type: 'subscribe', channel_ids: ['c'] }), { type: 'reply' })
})

t.test('the user_id of a subscribe frame must be the client\'s own', async (t) => {
  const server = await startApp(t, many)
  const client = await server.connect('alice')
  client.send({ type: 'subscribe', user_id: 'alice' })
  t.same(await client.next('subscription_confirmed'), { type: 'subscription_confirmed', channel_ids: [], user_id: 'alice' })
  t.match(await client.request({ type: 'subscribe', user_id: 'bob' }), { code: 'forbidden' })
  t.match(await client.request({ type: 'subscribe', user_id: 'Alice' }), { code: 'forbidden' })
  await server.app.ws.sendToUser('bob', { type: 'news.flash' })
  await server.app.ws.sendToUser('alice', { type: 'mail.new' })
  await client.settled()
  t.equal(client.count('news.flash'), 0)
  t.equal(client.count('mail.new'), 1, 'confirming it does not deliver twice')
})

t.test('a recover position of a stream that the subscribe frame does not name is refused by key', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: open, ...many })
  const client = await server.connect('alice')
  const at = { epoch: 'x', offset: 0 }
  for (const [name, path] of [['channel:room', '/recover/channel:room'], ['other', '/recover/other'], ['user:bob', '/recover/user:bob'], ['a/b~', '/recover/a~1b~0'], ['', '/recover/']] as const) {
    const frame = { type: 'subscribe', channel_ids: ['room'], recover: { room: at, all: at, 'user:alice': at, [name]: at } }
    t.match(await client.request(frame), { code: 'invalid_message', details: [{ path, message: /channel_ids/ }] }, name)
  }
  const long = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`${n}-`.padEnd(300, 'x'), at]))
  const { details } = await client.request({ type: 'subscribe', channel_ids: ['room'], recover: long })
  t.equal(details.length, 10)
  t.equal(details[9].path.length, 257, 'a long key is cut')
  t.same((await client.request({ type: 'connection' })).data.channels, [])
  t.match(await client.request({ type: 'subscribe', channel_ids: ['room', 'user:bob', 'all'], recover: { room: at, 'user:bob': at, all: at, 'user:alice': at } }), { type: 'reply' })
  t.same(client.received.filter(({ type }) => type === 'subscribed').map(({ topic }) => topic), ['user:alice', 'channel:room', 'channel:user:bob', 'channel:all'])
})

t.test('a subscribe frame with an invalid list of channels is refused', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: open, ...many })
  const client = await server.connect('alice')
  const bad = [undefined, [], 'a', [''], [1], [null], ['x'.repeat(201)], Array.from({ length: 101 }, (_, i) => `c${i}`), { 0: 'a' }]
  for (const channel_ids of bad) {
    for (const type of ['subscribe', 'unsubscribe']) {
      t.match(await client.request({ type, channel_ids }), { code: 'invalid_message', details: [{ path: /^\/channel_ids/ }] })
    }
  }
  t.same((await client.request({ type: 'connection' })).data.channels, [])
  const odd = ['user:bob', 'all', 'channel:x', '__proto__', ' ', 'x'.repeat(200), 'ünïcode 🎉']
  t.match(await client.request({ type: 'subscribe', channel_ids: odd }), { type: 'reply', data: { channel_ids: odd } })
  await server.app.ws.sendToUser('bob', { type: 'mail.new' })
  await client.settled()
  t.equal(client.count('mail.new'), 0, 'a channel that is called like a topic is another one')
})
