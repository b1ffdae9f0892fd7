import t from 'tap'
import { startApp } from '../fixtures/app.js'
import type { Frame, TestClient } from '../fixtures/client.js'

const message = { type: 'news.flash', text: 'hello', nested: { list: [1, null, 'ü'] } }

/** The place in its stream of a frame that arrived. */
function positionOf (client: TestClient, frame: Frame) {
  const { epoch, offset } = client.streamOf(frame)!
  return { epoch, offset }
}

t.test('a broadcast reaches every socket unchanged, and returns the number of recipients and the position', async (t) => {
  const server = await startApp(t)
  const clients = await Promise.all([server.connect('alice'), server.connect('alice'), server.connect('bob')])
  const sent = await server.rest('POST', '/ws/broadcast', { body: { message } })
  t.equal(sent.status, 200)
  for (const client of clients) {
    const frame = await client.next('news.flash')
    t.strictSame(frame, message)
    t.strictSame(sent.body, { localRecipients: 3, position: positionOf(client, frame) })
  }
})

t.test('a message to a user reaches only that user\'s sockets', async (t) => {
  const server = await startApp(t)
  const name = 'ålice/ & co?'
  const [first, second, bob] = await Promise.all([server.connect(name), server.connect(name), server.connect('bob')])
  const sent = await server.rest('POST', `/ws/users/${encodeURIComponent(name)}/messages`, { body: { message } })
  for (const client of [first, second]) {
    const frame = await client.next('news.flash')
    t.strictSame(frame, message)
    t.strictSame(sent.body, { localRecipients: 2, position: positionOf(client, frame) })
  }
  await bob.settled()
  t.equal(bob.count('news.flash'), 0)
  t.match((await server.rest('POST', '/ws/users/carol/messages', { body: { message } })).body, { localRecipients: 0, position: { offset: 1 } })
})

t.test('a message to a channel reaches only its members', async (t) => {
  const server = await startApp(t)
  const [member, other] = await Promise.all([server.connect('alice'), server.connect('alice')])
  await server.app.ws.join(member.id, 'room 1')
  const sent = await server.rest('POST', '/ws/channels/room%201/messages', { body: { message } })
  const frame = await member.next('news.flash')
  t.strictSame(frame, message)
  t.strictSame(sent.body, { localRecipients: 1, position: positionOf(member, frame) })
  t.strictSame((await server.rest('POST', '/ws/channels/room%201/messages', { body: { message, options: { history: false } } })).body, { localRecipients: 1, position: null })
  await other.settled()
  t.equal(other.count('news.flash'), 0)
})

t.test('a message to a client reaches only that socket, and is 404 once it is gone', async (t) => {
  const server = await startApp(t)
  const [client, other] = await Promise.all([server.connect('alice'), server.connect('alice')])
  const url = `/ws/clients/${client.id}/messages`
  t.strictSame((await server.rest('POST', url, { body: { message } })).body, { recipients: 1 })
  t.strictSame(await client.next('news.flash'), message)
  await other.settled()
  t.equal(other.count('news.flash'), 0)
  await client.close()
  t.match(await server.rest('POST', url, { body: { message } }), { status: 404, body: { statusCode: 404, code: 'WSM_ERR_NOT_FOUND', error: 'Not Found' } })
})

t.test('except leaves sockets out of a send', async (t) => {
  const server = await startApp(t)
  const [first, second] = await Promise.all([server.connect('alice'), server.connect('alice')])
  for (const client of [first, second]) await server.app.ws.join(client.id, 'room')
  for (const url of ['/ws/broadcast', '/ws/users/alice/messages', '/ws/channels/room/messages']) {
    const { body } = await server.rest('POST', url, { body: { message, options: { except: [first.id, 'gone'] } } })
    t.match(body, { localRecipients: 1 }, url)
  }
  await Promise.all([first.settled(), second.settled()])
  t.equal(first.count('news.flash'), 0)
  t.equal(second.count('news.flash'), 3)
})

t.test('an invalid message is refused on every route, and reaches nobody', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice')
  await server.app.ws.join(client.id, 'room')
  const bad: [body: unknown, path: string][] = [
    [{}, '/message'],
    [null, ''],
    [[], ''],
    ['text', ''],
    [{ message: 'text' }, '/message'],
    [{ message: [] }, '/message'],
    [{ message: {} }, '/message/type'],
    [{ message: { type: '' } }, '/message/type'],
    [{ message: { type: 5 } }, '/message/type'],
    [{ message, extra: 1 }, '/extra'],
    [{ message, options: { except: 'alice' } }, '/options/except'],
    [{ message, options: { exept: [] } }, '/options/exept'],
    [{ message: { ...message, from: { user_id: 'bob' } } }, '/from'],
    [{ message: { ...message, stream: {} } }, '/stream']
  ]
  for (const url of ['/ws/broadcast', '/ws/users/alice/messages', '/ws/channels/room/messages', `/ws/clients/${client.id}/messages`]) {
    for (const [body, path] of bad) {
      const refused = await server.rest('POST', url, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
      t.match(refused, { status: 400, body: { statusCode: 400, code: 'WSM_ERR_INVALID_MESSAGE', error: 'Bad Request', details: [{ path }] } }, `${url} ${JSON.stringify(body)}`)
    }
    t.equal((await server.rest('POST', url)).status, 400, `${url} without a body`)
  }
  await client.settled()
  t.strictSame(client.received.map(({ type }: Frame) => type), ['connection', 'pong', 'reply'])
})

t.test('a message that does not match its declaration is refused with the fault', async (t) => {
  const { Type } = await import('@sinclair/typebox')
  const server = await startApp(t)
  server.app.ws.declare('chat.message', Type.Object({ type: Type.Literal('chat.message'), text: Type.String() }))
  const refused = await server.rest('POST', '/ws/broadcast', { body: { message: { type: 'chat.message', text: 5 } } })
  t.match(refused, { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path: '/text' }] } })
  t.equal((await server.rest('POST', '/ws/broadcast', { body: { message: { type: 'chat.message', text: 'hi' } } })).status, 200)
})

t.test('sending needs permission', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice')
  for (const url of ['/ws/broadcast', '/ws/users/alice/messages', '/ws/channels/room/messages', `/ws/clients/${client.id}/messages`]) {
    t.match(await server.rest('POST', url, { as: null, body: { message } }), { status: 401 }, url)
    t.match(await server.rest('POST', url, { as: 'alice', body: { message } }), { status: 403 }, url)
  }
  await client.settled()
  t.equal(client.count('news.flash'), 0)
})
